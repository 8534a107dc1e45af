"""The nets that can be asked for, each seen as a chain of blocks in depth order."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torchvision
from torch import Tensor, nn
from torch.nn import functional as F

from fttrain.models.cnn import Cnn
from fttrain.spec import network
from fttrain.spec.faults import Fault, RecipeFaults
from fttrain.spec.nearest import hint

PROVEN = (
    "resnet18", "resnet34", "resnet50", "resnet101", "resnet152",
    "mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A link of the chain: what it is called and how it runs."""

    name: str
    """As a user writes it after `block:`; `pool` stands for pooling and flattening."""
    run: Callable[[Tensor], Tensor]
    module: nn.Module | None = None
    """None: a function without a module of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Net:
    """A net whose forward pass is the fold of its blocks, bit for bit."""

    name: str
    module: nn.Module
    blocks: tuple[Block, ...]
    head: str
    """Dotted name of the last linear layer: one output per class."""

    @property
    def head_layer(self) -> nn.Linear:
        """The last linear layer."""
        layer = self.module.get_submodule(self.head)
        assert isinstance(layer, nn.Linear)
        return layer

    @property
    def backbone(self) -> tuple[Block, ...]:
        """The blocks that hold parameters, without the head."""
        return tuple(
            block
            for block in self.blocks
            if block.module is not None
            and block.module is not self.head_layer
            and next(block.module.parameters(), None) is not None
        )


def check_name(name: str) -> None:
    """Refuse a net that is not proven.

    Raises:
        RecipeFaults: on `model.name`, with what would be right.
    """
    if name in PROVEN:
        return
    if name in torchvision.models.list_models(module=torchvision.models):
        what = f"`{name}` is not proven in this version"
    else:
        what = f"unknown net `{name}`{hint(name, PROVEN)}"
    message = what if what.endswith("?") else f"{what}; proven: {', '.join(PROVEN)}"
    raise RecipeFaults([Fault(field="model.name", description=message)])


def construct(model: network.Model, *, classes: int, channels: int) -> Net:
    """Build the net that a recipe names, as torchvision builds it.

    Raises:
        RecipeFaults: where the net is not proven.
    """
    if model.cnn is not None:
        return _cnn_net(Cnn(model.cnn, channels=channels, classes=classes))
    assert model.name is not None
    check_name(model.name)
    build: Callable[..., Any] = getattr(torchvision.models, model.name)
    return _net(model.name, build(num_classes=classes))


def _net(name: str, module: Any) -> Net:
    family = _resnet_blocks if name.startswith("resnet") else _mobilenet_blocks
    head = "fc" if name.startswith("resnet") else f"classifier.{len(module.classifier) - 1}"
    return Net(name=name, module=module, blocks=tuple(family(module)), head=head)


def _cnn_net(module: Cnn) -> Net:
    blocks = [
        *_items("features", module.features),
        Block(name="pool", run=lambda x: module.avgpool(x).flatten(1)),
        *_attributes(module, "dropout", "head"),
    ]
    return Net(name="cnn", module=module, blocks=tuple(blocks), head="head")


def _resnet_blocks(module: Any) -> Iterator[Block]:
    yield from _attributes(module, "conv1", "bn1", "relu", "maxpool")
    for name in ("layer1", "layer2", "layer3", "layer4"):
        yield from _items(name, getattr(module, name))
    yield Block(name="pool", run=lambda x: module.avgpool(x).flatten(1))
    yield from _attributes(module, "fc")


def _mobilenet_blocks(module: Any) -> Iterator[Block]:
    yield from _items("features", module.features)
    # MobileNetV2 pools by a function, V3 by a module.
    pool = getattr(module, "avgpool", None) or partial(F.adaptive_avg_pool2d, output_size=(1, 1))
    yield Block(name="pool", run=lambda x: pool(x).flatten(1))
    yield from _items("classifier", module.classifier)


def _items(name: str, sequence: Iterable[nn.Module]) -> Iterator[Block]:
    for index, module in enumerate(sequence):
        yield Block(name=f"{name}[{index}]", run=module, module=module)


def _attributes(module: nn.Module, *names: str) -> Iterator[Block]:
    for name in names:
        part = module.get_submodule(name)
        yield Block(name=name, run=part, module=part)
