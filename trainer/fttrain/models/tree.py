"""A net's modules as a tree: what each gives out for one image, holds and costs."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from fttrain.models.zoo import Net
from fttrain.spec.blueprint import Node

Members = Mapping[str, Sequence[int]]
"""A parameter's full name -> the groups that it is in."""


def tree(net: Net, shape: tuple[int, int, int], members: Members) -> Node:
    """Return the tree of a net on the meta device; it is in eval mode afterwards.

    Args:
        net: The net.
        shape: Of an image, (C, H, W).
        members: Which parameters train, and in which groups.
    """
    seen = _Run(net.module)
    seen.send(torch.empty((1, *shape), device="meta"))
    return _Planter(net.module, seen, members).node(net.name, "", net.module)


class _Run:
    """One image's way through a module and all within it."""

    def __init__(self, module: nn.Module) -> None:
        self._module = module.eval()
        self.outputs: dict[nn.Module, list[int]] = {}
        """Of the first call of each."""
        self.macs: dict[nn.Module, int] = {}

    def send(self, image: Tensor) -> None:
        """Send an image through; note what each module gives out and what it took."""
        begun: list[int] = []
        with FlopCounterMode(display=False) as counter, torch.no_grad():

            def begin(module: nn.Module, _: Any) -> None:
                begun.append(counter.get_total_flops())

            def end(module: nn.Module, _: Any, output: Any) -> None:
                flops = counter.get_total_flops() - begun.pop()
                self.macs[module] = self.macs.get(module, 0) + flops // 2
                first = output if isinstance(output, Tensor) else next(_tensors(output), None)
                if first is not None:
                    self.outputs.setdefault(module, list(first.shape[1:]))

            hooks = [
                hook
                for module in self._module.modules()
                for hook in (
                    module.register_forward_pre_hook(begin),
                    module.register_forward_hook(end),
                )
            ]
            try:
                self._module(image)
            finally:
                for hook in hooks:
                    hook.remove()


def _tensors(output: Any) -> Iterator[Tensor]:
    parts = output if isinstance(output, list | tuple) else ()
    return (part for part in parts if isinstance(part, Tensor))


class _Planter:
    """Makes nodes of modules, each parameter and module counted where it is met first."""

    def __init__(self, module: nn.Module, seen: _Run, members: Members) -> None:
        self._seen = seen
        self._members = members
        self._names = {id(value): name for name, value in module.named_parameters()}
        self._met: set[int] = set()

    def node(self, name: str, path: str, module: nn.Module) -> Node:
        """Return the node of a module."""
        own = [value for value in module.parameters(recurse=False) if self._is_new(value)]
        children = [
            self.node(inner, f"{path}.{inner}", child)
            for inner, child in module.named_children()
            if self._is_new(child)
        ]
        of_own = [self._members.get(self._names[id(value)], ()) for value in own]
        trained = sum(value.numel() for value, at in zip(own, of_own, strict=True) if at)
        groups = {group for at in of_own for group in at}
        return Node(
            name=name,
            kind=type(module).__name__,
            detail=_detail(module),
            output=self._seen.outputs.get(module),
            parameters=sum(v.numel() for v in own) + sum(child.parameters for child in children),
            trained=trained + sum(child.trained for child in children),
            macs=self._seen.macs.get(module, 0),
            groups=sorted(groups.union(*(child.groups for child in children))),
            children=children,
        )

    def _is_new(self, met: nn.Module | nn.Parameter) -> bool:
        if id(met) in self._met:
            return False
        self._met.add(id(met))
        return True


# --- details ----------------------------------------------------------------------------------


def _detail(module: Any) -> str:
    match module:
        case nn.Conv2d():
            return ", ".join(_convolution(module))
        case nn.Linear():
            return f"{module.in_features} → {module.out_features}"
        case nn.MaxPool2d() | nn.AvgPool2d():
            return f"{_pair(module.kernel_size)}, stride {_one(module.stride)}"
        case nn.AdaptiveAvgPool2d():
            return f"to {_pair(module.output_size)}"
        case nn.Dropout() | nn.Dropout2d():
            return f"{module.p:g}"
    return ""


def _convolution(module: nn.Conv2d) -> Iterator[str]:
    yield _pair(module.kernel_size)
    yield f"{module.in_channels} → {module.out_channels}"
    if module.stride != (1, 1):
        yield f"stride {_one(module.stride)}"
    if module.groups == module.in_channels and module.groups > 1:
        yield "depthwise"
    elif module.groups > 1:
        yield f"{module.groups} groups"


def _pair(size: Any) -> str:
    height, width = size if isinstance(size, tuple) else (size, size)
    return f"{height}×{width}"


def _one(size: Any) -> str:
    return str(size[0]) if isinstance(size, tuple) and len(set(size)) == 1 else str(size)
