"""Which images a net takes, found out on the meta device."""

from collections.abc import Iterable

import torch
from torch import Tensor

from fttrain.models.skimming import skimmed
from fttrain.models.zoo import Net

_MOST = 1024  # Pixels: no net is known that needs more.


def complaint(net: Net, shape: tuple[int, int, int], *, trained: Iterable[str]) -> str | None:
    """Say why images of a shape, (C, H, W), do not go through a net; None where they do.

    Auxiliary heads count where they train: they may need larger images.
    """
    after = {aside.after: aside.module for aside in net.used_asides(trained)}
    if _passes(net, shape, after):
        return None
    channels, height, width = shape
    size = f"{width} x {height} pixels"
    if net.side is not None:
        return f"{net.name} takes images of {net.side} x {net.side} pixels alone, not of {size}"
    least = _least(net, channels, after)
    if least is None:
        return f"images of {size} do not fit {net.name}"
    what = f"images of {size} are too small for {net.name}; it takes {least} x {least} and more"
    return what + _way_out(net, least, channels) if after else what


def least_side(net: Net, *, channels: int, trained: Iterable[str]) -> int | None:
    """Return the side of the smallest square images that go through a net, in pixels."""
    after = {aside.after: aside.module for aside in net.used_asides(trained)}
    return net.side or _least(net, channels, after)


def _way_out(net: Net, least: int, channels: int) -> str:
    without = _least(net, channels, {})
    if without is None or without == least:
        return ""
    names = " and ".join(aside.name for aside in net.asides)
    trains = f"[first:{len(net.backbone)}, head]"
    return f", or {without} x {without} where {names} does not train (`trains: {trains}`)"


def _least(net: Net, channels: int, after: dict[str, torch.nn.Module]) -> int | None:
    low, high = 0, 1
    while not _passes(net, (channels, high, high), after):
        low, high = high, high * 2
        if low >= _MOST:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        if _passes(net, (channels, middle, middle), after):
            high = middle
        else:
            low = middle
    return high


def _passes(net: Net, shape: tuple[int, int, int], after: dict[str, torch.nn.Module]) -> bool:
    try:
        seen: Tensor = torch.empty((2, *shape), device="meta")
        with torch.no_grad(), skimmed(net.module):
            for block in net.blocks:
                seen = block.run(seen)
                if block.name in after:
                    after[block.name](seen)
    # Nets complain in whichever way they like.
    except (RuntimeError, ValueError, AssertionError, IndexError, ZeroDivisionError):
        return False
    return True
