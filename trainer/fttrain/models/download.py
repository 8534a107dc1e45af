"""Downloads of published weights."""

import hashlib
import os
import shutil
import urllib.request
from pathlib import Path

from fttrain.models.tensors import BadWeights

_SILENCE_S = 15.0  # A server that says nothing for so long is not there.


def fetch(url: str, path: Path, *, sha256_begin: str) -> None:
    """Download a file; it is there whole or not at all.

    Raises:
        BadWeights: where the address does not answer, or answers with another file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with urllib.request.urlopen(url, timeout=_SILENCE_S) as answer, aside.open("wb") as file:
            shutil.copyfileobj(answer, file)
        with aside.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if not digest.startswith(sha256_begin):
            raise BadWeights(f"{url} gave a file whose SHA-256 begins with {digest[:8]}")
        aside.replace(path)
    except OSError as error:
        reason = getattr(error, "reason", error)
        raise BadWeights(f"{url} cannot be downloaded: {reason}") from None
    finally:
        aside.unlink(missing_ok=True)
