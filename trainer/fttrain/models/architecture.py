"""From the recipe's `model` to a net, built as its author builds it."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import torchvision
from torch import Tensor, nn

from fttrain.models import chains, heads, timm_nets, zoo
from fttrain.models.cnn import Cnn
from fttrain.models.rn import Rn
from fttrain.models.zoo import Net
from fttrain.spec import network

_POSITIONS = "encoder.pos_embedding"
# Without it, torchvision warns that some day it will not fill these two with its own values.
_OPTIONS: dict[str, dict[str, Any]] = {
    "googlenet": {"init_weights": True},
    "inception_v3": {"init_weights": True},
}


def construct(
    model: network.Model, *, classes: int, channels: int, tensors: Mapping[str, Tensor]
) -> Net:
    """Build the net that a recipe names.

    The tensors that it is built for tell a vision transformer's size of images.

    Raises:
        RecipeFaults: where there is no such net.
    """
    if model.cnn is not None:
        module: nn.Module = Cnn(model.cnn, channels=channels, classes=classes)
        return _net("cnn", module, model, classes)
    if model.rn is not None:
        return _net("rn", Rn(model.rn, channels=channels, classes=classes), model, classes)
    assert model.name is not None
    zoo.check_name(model.name)
    if model.name.startswith(zoo.TIMM):
        return timm_nets.construct(model, classes=classes)
    build: Callable[..., Any] = getattr(torchvision.models, model.name)
    options = _OPTIONS.get(model.name, {}) | _image_size(model.name, tensors)
    return _net(model.name, build(num_classes=classes, **options), model, classes)


def _net(name: str, module: Any, model: network.Model, classes: int) -> Net:
    head = heads.find(module)
    if model.layers:
        heads.replace(module, head, model.layers, classes)
    return Net(
        name=name,
        module=module,
        blocks=chains.chain(module),
        head=head,
        asides=chains.asides(module),
        side=_side(module),
    )


def _image_size(name: str, tensors: Mapping[str, Tensor]) -> dict[str, int]:
    if not name.startswith("vit_") or _POSITIONS not in tensors:
        return {}
    patches_per_side = math.isqrt(tensors[_POSITIONS].shape[1] - 1)
    return {"image_size": patches_per_side * int(name.rpartition("_")[2])}


def _side(module: Any) -> int | None:
    """A vision transformer has an embedding for each place, MaxViT a grid of fixed size."""
    if isinstance(module, torchvision.models.VisionTransformer):
        side: int = module.image_size
        return side
    return 224 if isinstance(module, torchvision.models.MaxVit) else None
