"""Nets with their weights in place."""

from collections import OrderedDict
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from fttrain import generator
from fttrain.models import architecture, initial
from fttrain.models.zoo import Net
from fttrain.spec import network


def skeleton(
    model: network.Model,
    *,
    classes: int,
    channels: int,
    tensors: Mapping[str, Tensor] | None = None,
) -> Net:
    """Build a net on the meta device: names and shapes, no memory, no values.

    Raises:
        RecipeFaults: where there is no such net.
    """
    with initial.unfilled():
        net = architecture.construct(
            model, classes=classes, channels=channels, tensors=tensors or {}
        )
    net.module.to("meta")
    return net


def fresh(model: network.Model, *, classes: int, channels: int, seed: int) -> Net:
    """Build a net with the random values that its author gives it, a pure function of the seed."""
    with generator.seeded(generator.derive(seed, "init")):
        return architecture.construct(model, classes=classes, channels=channels, tensors={})


def loaded(
    model: network.Model, *, classes: int, channels: int, tensors: Mapping[str, Tensor], seed: int
) -> Net:
    """Build a net around tensors; those that are missing get the values that their author gives.

    The net takes the tensors over without a copy. They must fit: `fit.compare` finds out.
    """
    with initial.unfilled() as calls:
        net = architecture.construct(model, classes=classes, channels=channels, tensors=tensors)
    own = net.module.state_dict(keep_vars=True)
    state = OrderedDict(
        # Files in half or double precision: training is in single.
        (name, tensor.to(torch.float32) if tensor.is_floating_point() else tensor)
        for name, tensor in tensors.items()
        if name in own
    )
    missing = {name: tensor for name, tensor in own.items() if name not in state}
    # What is not on the meta device has its value: statistics, and counts of batches, which files
    # from before torch 0.4.1 do not have.
    state |= {name: tensor for name, tensor in missing.items() if not tensor.is_meta}
    with generator.seeded(generator.derive(seed, "head")):
        state |= calls.values({name: t for name, t in missing.items() if t.is_meta})
    # MNASNet reads the version of its file from here.
    state._metadata = net.module.state_dict()._metadata  # type: ignore[attr-defined]
    net.module.load_state_dict(state, assign=True)
    if any(buffer.is_meta for buffer in net.module.buffers()):
        _take_buffers(net.module, fresh(model, classes=classes, channels=channels, seed=seed))
    for parameter in net.module.parameters():
        parameter.requires_grad_(True)
    return net


def from_card(
    model: network.Model, classes: int, channels: int, tensors: Mapping[str, Tensor]
) -> nn.Module:
    """Build the module of an exported model, in eval mode."""
    net = loaded(model, classes=classes, channels=channels, tensors=tensors, seed=0)
    return net.module.eval()


def _take_buffers(module: nn.Module, whole: Net) -> None:
    """Take from a net built whole what no file holds: tables that timm makes by torch.empty."""
    made = dict(whole.module.named_buffers())
    for path, inner in module.named_modules():
        for name, buffer in inner.named_buffers(prefix=path, recurse=False):
            if buffer.is_meta:
                setattr(inner, name.rpartition(".")[2], made[name])
