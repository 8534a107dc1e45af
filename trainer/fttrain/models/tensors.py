"""Files of tensors: safetensors and torch's pickles, of which no code is ever run."""

import io
import json
import pickle
import re
import warnings
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

_SEAL = "finetuned_sha256"
_UNSEALED = "0" * 64


class BadWeights(Exception):
    """A file that cannot be used; the message is for the user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What a file holds."""

    tensors: dict[str, Tensor]
    sha256: str
    """Of the very bytes that the tensors were read from."""
    metadata: Mapping[str, str]
    """Of a safetensors file."""

    @property
    def is_sealed(self) -> bool:
        """True if the file holds its own digest, which was found right."""
        return _SEAL in self.metadata


def read(path: Path) -> Contents:
    """Read a file of weights into memory.

    Raises:
        BadWeights: where it is missing, damaged, holds code, or holds no named tensors.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadWeights(f"{path} cannot be read: {error.strerror}") from None
    with ThreadPoolExecutor(max_workers=1) as aside:
        # The digest takes as long as the reading, and shares no lock with it.
        digest = aside.submit(lambda: sha256(data).hexdigest())
        metadata: Mapping[str, str] = {}
        if path.suffix == ".safetensors":
            tensors, metadata = _safetensors(path, data)
        else:
            tensors = _renamed(_state_dict(path, _unpickled(path, data)))
        return Contents(tensors=tensors, sha256=digest.result(), metadata=metadata)


def sealed(tensors: dict[str, Tensor], metadata: Mapping[str, str]) -> bytes:
    """Return a safetensors file that holds its own digest: `read` notices any damage.

    The digest is that of the file with zeros in the digest's place.
    """
    data = safetensors.torch.save(tensors, {**metadata, _SEAL: _UNSEALED})
    return _with_seal(data, _UNSEALED, sha256(data).hexdigest())


def _with_seal(data: bytes, old: str, new: str) -> bytes:
    return data.replace(f'"{_SEAL}":"{old}"'.encode(), f'"{_SEAL}":"{new}"'.encode(), 1)


def _check_seal(path: Path, data: bytes, metadata: Mapping[str, str]) -> None:
    seal = metadata.get(_SEAL)
    if seal is not None and sha256(_with_seal(data, seal, _UNSEALED)).hexdigest() != seal:
        raise BadWeights(f"{path} is damaged: its content is not that of its SHA-256")


def _safetensors(path: Path, data: bytes) -> tuple[dict[str, Tensor], Mapping[str, str]]:
    try:
        tensors = safetensors.torch.load(data)
    except SafetensorError as error:
        raise BadWeights(f"{path} is no whole safetensors file: {error}") from None
    header_bytes = int.from_bytes(data[:8], "little")
    metadata = json.loads(data[8 : 8 + header_bytes]).get("__metadata__", {})
    _check_seal(path, data, metadata)
    return tensors, metadata


def _unpickled(path: Path, data: bytes) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.load(io.BytesIO(data), weights_only=True, map_location="cpu")
    except pickle.UnpicklingError as error:
        code = re.search(r"GLOBAL ([\w.]+)", str(error))
        if code is None:
            raise BadWeights(f"{path} is no file of weights that torch can read") from None
        raise BadWeights(
            f"{path} is a pickle with code in it ({code[1]}) and was not run; save the weights "
            "alone, with torch.save(model.state_dict(), PATH), or as safetensors"
        ) from None
    except (RuntimeError, EOFError, LookupError, ValueError, TypeError, AttributeError):
        # What torch raises for a file that is cut short, or is something else.
        raise BadWeights(f"{path} is no whole file of weights that torch can read") from None


# Where training scripts put the weights among other things.
_WRAPPERS = ("state_dict", "model", "model_state_dict", "model_ema", "net")
# What DataParallel and torch.compile put before each name.
_PREFIXES = ("module.", "_orig_mod.")


def _state_dict(path: Path, content: Any) -> dict[str, Tensor]:
    while isinstance(content, Mapping) and not _is_named_tensors(content):
        inner = next((content[name] for name in _WRAPPERS if name in content), None)
        if inner is None:
            break
        content = inner
    if not isinstance(content, Mapping) or not _is_named_tensors(content):
        found = type(content).__name__
        if isinstance(content, Mapping):
            found = f"a dict with {', '.join(f'`{key}`' for key in list(content)[:5])}"
        raise BadWeights(
            f"{path} holds no named tensors but {found or 'nothing'}; known wrappers: "
            f"{', '.join(_WRAPPERS)}"
        )
    return _without_prefixes(dict(content))


def _is_named_tensors(content: Mapping[Any, Any]) -> bool:
    return bool(content) and all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in content.items()
    )


def _without_prefixes(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    for prefix in (*_PREFIXES, *_PREFIXES):
        if all(name.startswith(prefix) for name in tensors):
            tensors = {name.removeprefix(prefix): value for name, value in tensors.items()}
    return tensors


# Names that torchvision's published DenseNets and vision transformers have from before.
_RENAMED = (
    (re.compile(r"(denselayer\d+\.(?:norm|relu|conv))\.([12])\."), r"\1\2."),
    (re.compile(r"(encoder_layer_\d+\.mlp)\.linear_1\."), r"\1.0."),
    (re.compile(r"(encoder_layer_\d+\.mlp)\.linear_2\."), r"\1.3."),
)


def _renamed(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    for old, new in _RENAMED:
        tensors = {old.sub(new, name): value for name, value in tensors.items()}
    return tensors
