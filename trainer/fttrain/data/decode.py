"""The one way from a file to pixels. Runs in loader processes: Pillow and numpy alone."""

import os
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

Pixels = NDArray[np.uint8]

PIXEL_LIMIT = 100_000_000
"""Larger images are refused: 100 megapixels are 0.4 GB in memory."""

# Named here, so that Pillow does not look for them among all that it could read.
_KINDS = (
    JpegImagePlugin.JpegImageFile, PngImagePlugin.PngImageFile, WebPImagePlugin.WebPImageFile,
    BmpImagePlugin.BmpImageFile, TiffImagePlugin.TiffImageFile, GifImagePlugin.GifImageFile,
)  # fmt: skip
FORMATS = tuple(str(kind.format) for kind in _KINDS)
"""What a file may hold, whatever its name says: JPEG (MPO, too), PNG, WEBP, BMP, TIFF, GIF."""

# What Pillow raises for damaged files; it promises no common base.
_DAMAGE = (
    OSError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, AttributeError,
    EOFError, RuntimeError, AssertionError,
    struct.error, zlib.error, Image.DecompressionBombError,
)  # fmt: skip

_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class BadImage(Exception):
    """An image file that cannot be read."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(path, why)
        self.path = path
        self.why = why

    def __str__(self) -> str:
        return f"{self.path} {self.why}"


def decode(path: Path) -> Pixels:
    """Read an image as RGB, (height, width, 3), upright as its EXIF says.

    Raises:
        BadImage: where the file is missing, damaged, too large or of an odd kind.
    """
    return np.asarray(picture(path))


def picture(path: Path) -> Image.Image:
    """Read an image as `decode` does, but as Pillow's own object, which resizing needs."""
    with warnings.catch_warnings():
        # Pillow warns of corrupt EXIF, odd palettes and the like where it can go on.
        warnings.simplefilter("ignore")
        try:
            return _read(path)
        except UnidentifiedImageError:
            raise BadImage(path, f"is no image of a known kind: {_beginning(path)}") from None
        except _DAMAGE as error:
            raise BadImage(path, _describe(error)) from error


def _read(path: Path) -> Image.Image:
    with path.open("rb") as file, Image.open(file, formats=FORMATS) as image:
        width, height = image.size
        if width * height > PIXEL_LIMIT:
            millions = width * height / 1e6
            raise BadImage(
                path,
                f"has {millions:.0f} megapixels ({width} x {height}), "
                f"over the limit of {PIXEL_LIMIT / 1e6:.0f}; scale it down",
            )
        image.load()
        return _upright(_rgb(path, image), image)


def _upright(rgb: Image.Image, source: Image.Image) -> Image.Image:
    try:
        orientation = source.getexif().get(_ORIENTATION)
    except _DAMAGE:  # Damaged EXIF leaves the pixels whole.
        return rgb
    turn = _TURNS.get(orientation) if isinstance(orientation, int) else None
    return rgb if turn is None else rgb.transpose(turn)


def _rgb(path: Path, image: Image.Image) -> Image.Image:
    if image.mode == "RGB" and not image.has_transparency_data:
        return image.copy() if image.readonly else image
    if image.mode.startswith("I;16"):
        # Pillow would clip; the high byte is what it takes of 16-bit colour, too.
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode in ("I", "F"):
        raise BadImage(path, "has 32 bits per value, of no stated range; save it with 8 or 16")
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")
    return image.convert("RGB")


def _describe(error: BaseException) -> str:
    if isinstance(error, Image.DecompressionBombError):
        return f"is far over the limit of {PIXEL_LIMIT / 1e6:.0f} megapixels; scale it down"
    if isinstance(error, OSError) and error.errno:
        return f"cannot be read: {os.strerror(error.errno)}"
    return f"is damaged: {error or type(error).__name__}; replace or remove it"


def _beginning(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(12)
    return f"it begins with {head!r}" if head else "it is empty"
