"""Nets with their weights in place."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from fttrain import generator
from fttrain.models import zoo
from fttrain.models.zoo import Net
from fttrain.spec import network


def skeleton(model: network.Model, *, classes: int, channels: int) -> Net:
    """Build a net on the meta device: names and shapes, no memory, no values.

    Raises:
        RecipeFaults: where the net is not proven.
    """
    with torch.device("meta"), _without_init():
        return zoo.construct(model, classes=classes, channels=channels)


def fresh(model: network.Model, *, classes: int, channels: int, seed: int) -> Net:
    """Build a net with the random values that its author gives it, a pure function of the seed."""
    with generator.seeded(generator.derive(seed, "init")):
        return zoo.construct(model, classes=classes, channels=channels)


def loaded(
    model: network.Model, *, classes: int, channels: int, tensors: Mapping[str, Tensor], seed: int
) -> Net:
    """Build a net around tensors; a head that is not among them gets its random values.

    The net takes the tensors over without a copy. They must fit: `fit.compare` finds out.
    """
    net = skeleton(model, classes=classes, channels=channels)
    state = {
        # Files in half or double precision: training is in single.
        name: tensor.to(torch.float32) if tensor.is_floating_point() else tensor
        for name, tensor in tensors.items()
    }
    for name, value in _new_head(net, classes, seed).items():
        state.setdefault(name, value)
    for name, buffer in net.module.named_buffers():
        # Files from before torch 0.4.1 do not count batches.
        if name.endswith("num_batches_tracked"):
            state.setdefault(name, torch.zeros((), dtype=buffer.dtype))
    net.module.load_state_dict(state, assign=True)
    for parameter in net.module.parameters():
        parameter.requires_grad_(True)
    return net


def from_card(
    model: network.Model, classes: int, channels: int, tensors: Mapping[str, Tensor]
) -> nn.Module:
    """Build the module of an exported model, in eval mode."""
    net = loaded(model, classes=classes, channels=channels, tensors=tensors, seed=0)
    return net.module.eval()


def _new_head(net: Net, classes: int, seed: int) -> dict[str, Tensor]:
    """Make a head as torchvision makes it: the ResNets leave torch's own initial values."""
    with generator.seeded(generator.derive(seed, "head")):
        layer = nn.Linear(net.head_layer.in_features, classes)
        if net.name.startswith("mobilenet"):
            nn.init.normal_(layer.weight, 0, 0.01)
            nn.init.zeros_(layer.bias)
    return {f"{net.head}.{name}": value.detach() for name, value in layer.named_parameters()}


@contextlib.contextmanager
def _without_init() -> Iterator[None]:
    """Keep torch from drawing values that nobody will see: 25 ms become 8 for MobileNetV2."""
    names: Sequence[str] = (
        "constant_", "kaiming_normal_", "kaiming_uniform_", "normal_", "ones_", "trunc_normal_",
        "uniform_", "zeros_",
    )  # fmt: skip
    before = {name: getattr(nn.init, name) for name in names}
    try:
        for name in names:
            setattr(nn.init, name, _unchanged)
        yield
    finally:
        for name, function in before.items():
            setattr(nn.init, name, function)


def _unchanged(tensor: Tensor, *_: object, **__: object) -> Tensor:
    return tensor
