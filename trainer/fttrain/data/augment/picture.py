"""The two forms of an image under way: Pillow's, and an array of bytes."""

import numpy as np
from PIL import Image

from fttrain.data.decode import Pixels

Picture = Image.Image | Pixels
FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}


def image(picture: Picture) -> Image.Image:
    """Return a picture as Pillow's object."""
    if isinstance(picture, Image.Image):
        return picture
    return Image.fromarray(picture[..., 0] if picture.shape[-1] == 1 else picture)


def array(picture: Picture) -> Pixels:
    """Return a picture as bytes, (height, width, channels)."""
    pixels = np.asarray(picture)
    return pixels if pixels.ndim == 3 else pixels[..., None]


def filled(picture: Image.Image, level: float) -> tuple[int, ...]:
    """Return a level as Pillow wants a colour."""
    return (int(level),) * len(picture.getbands())
