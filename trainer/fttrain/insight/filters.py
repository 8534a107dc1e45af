"""What the first convolution looks for."""

import base64
from typing import Any

import numpy as np

from fttrain.insight import layers
from fttrain.models.zoo import Net

MOST = 256
MOST_BYTES = 2**20
"""Of weights, single precision: more are not kept."""


def body(net: Net, *, title: str) -> dict[str, Any]:
    """Return the first filters of a net that has a convolution, as numbers.

    `weights` is base64 of little-endian float32, `shape` (filters, channels, height, width).
    """
    found = layers.first_convolution(net)
    assert found is not None
    name, convolution = found
    weights = convolution.weight.detach().float().cpu().numpy()
    kept = weights[: max(1, min(MOST, MOST_BYTES // weights[0].nbytes))]
    return {
        "title": title,
        "layer": name,
        "filters": len(weights),
        "shape": list(kept.shape),
        "weights": base64.b64encode(np.ascontiguousarray(kept, "<f4").tobytes()).decode(),
    }
