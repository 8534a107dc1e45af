"""What layers make of one image: their feature maps."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fttrain.insight import layers
from fttrain.models.zoo import Net
from fttrain.pictures import tiles

LAYERS = 8
MAPS = 40
"""Of a layer."""
SIDE = 56
"""Of a stored map, at most."""


def body(net: Net, image: Tensor) -> list[dict[str, Any]]:
    """Return of some layers, in depth order, the liveliest maps of a prepared image, (1, C, H, W).

    Those with the largest standard deviation over their positions come first. Each has its
    `channel`, its `low` and `high`, and `png`: the values between them as 0 to 255.
    """
    found = _run(net, image)
    return [_layer(name, found[name]) for name in _some(list(found))]


def _run(net: Net, image: Tensor) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}

    def tell(name: str, _module: nn.Module, _given: Tensor, made: Tensor) -> None:
        shown = layers.maps(made)
        if shown is not None and shown.shape[-2:].numel() > 1:
            found[name] = _kept(shown.float())

    with torch.inference_mode(), layers.heard(_parts(net), tell):
        layers.forward(net, image)
    return found


def _parts(net: Net) -> list[tuple[str, nn.Module]]:
    return [(part.name, part.module) for part in net.backbone]


def _some(names: Sequence[str]) -> list[str]:
    """Return at most so many, at equal distances, the first and the last among them."""
    most = min(LAYERS, len(names))
    return [names[place * (len(names) - 1) // max(most - 1, 1)] for place in range(most)]


def _kept(shown: Tensor) -> Tensor:
    """Copy it: what runs next may write into it."""
    return shown.clone().cpu()


def _layer(name: str, shown: Tensor) -> dict[str, Any]:
    channels, height, width = shown.shape
    lively = shown.flatten(1).std(1, correction=0)
    chosen = torch.argsort(-lively, stable=True)[:MAPS].tolist()
    return {
        "name": name,
        "channels": channels,
        "height": height,
        "width": width,
        "maps": [_map(channel, shown[channel]) for channel in chosen],
    }


def _map(channel: int, values: Tensor) -> dict[str, Any]:
    height, width = values.shape
    if max(height, width) > SIDE:
        by = SIDE / max(height, width)
        size = (max(1, round(height * by)), max(1, round(width * by)))
        values = F.adaptive_avg_pool2d(values[None], size)[0]
    low, high = values.min(), values.max()
    scaled = (values - low) / (high - low).clamp(min=1e-30) * 255
    pixels = scaled.round().to(torch.uint8)[..., None].numpy()
    return {
        "channel": channel,
        "low": float(low),
        "high": float(high),
        "png": tiles.packed(pixels),
    }
