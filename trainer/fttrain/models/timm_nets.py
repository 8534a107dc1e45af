"""Nets of timm, where it is installed (extra `timm`)."""

import copy
import importlib
import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn

from fttrain.models import chains, heads
from fttrain.models.zoo import TIMM, Block, Net, Part
from fttrain.spec import network
from fttrain.spec.faults import Fault, RecipeFaults
from fttrain.spec.images import Preprocess
from fttrain.spec.nearest import nearest

_HUB = "https://huggingface.co"


def construct(model: network.Model, *, classes: int) -> Net:
    """Build a net of timm.

    Its chain has two blocks, `forward_features` and `forward_head`: beneath them timm's nets have
    no common form. `first:k` and `last:k` count the parts within.

    Raises:
        RecipeFaults: on `model.name`, where timm or such a net of it is missing.
    """
    name = model.name or ""
    module = _create(name, classes)
    head = _head(name, module)
    if model.layers:
        if not isinstance(module.get_submodule(head), nn.Linear):
            raise _fault("model.head", f"the last layer of {name} is not linear; use `head: new`")
        heads.replace(module, head, model.layers, classes)
    config = module.pretrained_cfg
    return Net(
        name=name,
        module=module,
        blocks=tuple(_blocks(module)),
        head=head,
        side=config["input_size"][-1] if config.get("fixed_input_size") else None,
    )


def preprocess(name: str) -> Preprocess:
    """Return how the published weights of a net want their images.

    Raises:
        RecipeFaults: as `construct`.
    """
    config = _config(name)
    side = config["input_size"][-1]
    return Preprocess(
        resize=math.floor(side / config["crop_pct"]),
        crop=side,
        interpolation="bilinear" if config["interpolation"] == "bilinear" else "bicubic",
        mean=list(config["mean"]),
        std=list(config["std"]),
    )


def published(name: str) -> tuple[str, str]:
    """Return the address of a net's published weights, and a name for the file.

    Raises:
        RecipeFaults: where there are none; and as `construct`.
    """
    repository = _config(name).get("hf_hub_id")
    if not repository:
        raise _fault("model.weights", f"timm publishes no weights of {name}; use `file:PATH`")
    file = repository.replace("/", "-") + ".safetensors"
    return f"{_HUB}/{repository}/resolve/main/model.safetensors", file


# --- timm itself ------------------------------------------------------------------------------


def _timm(name: str) -> Any:
    try:
        return importlib.import_module("timm")
    except ImportError:
        what = f"`{name}` needs timm, which is not installed: pip install 'finetuned[timm]'"
        raise _fault("model.name", what) from None


def _checked(name: str) -> tuple[Any, str]:
    timm, own = _timm(name), name.removeprefix(TIMM)
    if not timm.is_model(own) or timm.get_pretrained_cfg(own) is None:
        near = nearest(own, timm.list_models())
        meant = f"; did you mean `{TIMM}{near}`?" if near else "; see timm.list_models()"
        raise _fault("model.name", f"timm {timm.__version__} has no net `{own}`{meant}")
    return timm, own


def _create(name: str, classes: int) -> Any:
    timm, own = _checked(name)
    return timm.create_model(own, num_classes=classes)


def _config(name: str) -> dict[str, Any]:
    timm, own = _checked(name)
    config: dict[str, Any] = timm.get_pretrained_cfg(own).to_dict()
    return config


def _head(name: str, module: Any) -> str:
    classifier = module.get_classifier()
    for path, inner in module.named_modules():
        if inner is classifier:
            return str(path)
    raise _fault("model.name", f"{name} has no single head; choose a net that has")


# --- the chain --------------------------------------------------------------------------------


def _blocks(module: Any) -> Iterator[Block]:
    trunk, head = _used(module)
    loose = tuple(name for name, _ in module.named_parameters(recurse=False))
    children = dict(module.named_children())
    parts = [(name, part) for name, child in children.items() for part in chains.walk(name, child)]
    if trunk & head:
        # Nothing runs ahead of a net that cannot be parted.
        yield Block(name="net", run=module, parts=_with(loose, [part for _, part in parts]))
        return
    before = [part for name, part in parts if name not in head]
    after = [part for name, part in parts if name in head]
    yield Block(name="features", run=module.forward_features, parts=_with(loose, before))
    yield Block(name="head", run=module.forward_head, parts=tuple(after))


def _with(loose: tuple[str, ...], parts: list[Part]) -> tuple[Part, ...]:
    """Tokens and embeddings of the net itself belong to the first part."""
    first = Part(name=parts[0].name, module=parts[0].module, loose=loose)
    return first, *parts[1:]


def _used(module: Any) -> tuple[set[str], set[str]]:
    """Find out which children the trunk runs and which the head: on the meta device."""
    probe = copy.deepcopy(module).to("meta").eval()
    seen = torch.empty((1, *probe.pretrained_cfg["input_size"]), device="meta")
    runs: list[set[str]] = []
    for name, child in probe.named_children():
        for inner in child.modules():
            inner.register_forward_pre_hook(_noting(name, runs))
    with torch.no_grad():
        for run in (probe.forward_features, probe.forward_head):
            runs.append(set())
            seen = run(seen)
    return runs[0], runs[1]


def _noting(name: str, runs: list[set[str]]) -> Callable[[nn.Module, Any], None]:
    def note(_module: nn.Module, _seen: Any) -> None:
        runs[-1].add(name)

    return note


def _fault(field: str, description: str) -> RecipeFaults:
    return RecipeFaults([Fault(field=field, description=description)])
