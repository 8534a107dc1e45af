"""The one way from a file to pixels. Runs in loader processes: Pillow and numpy alone."""

import contextlib
import os
import platform
import struct
import warnings
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

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
    features,
)

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoding:
    """What a recipe says of how files become pixels."""

    max_pixels: int = 100_000_000
    """Larger images are refused: 100 megapixels are 0.4 GB in memory."""
    background: tuple[int, int, int] = (255, 255, 255)
    """Transparent pixels are laid over it."""
    min_side: int | None = None
    """JPEGs are decoded at a part of their size that leaves the shorter side as long as that."""


PLAIN = Decoding()
VERSION = 1
"""Of the pixels that a file comes to, here and in `fttrain.data.augment`. What is kept of images by
another version is not used."""
DENIED = "cannot be read:"
"""What is said of a file where the fault lies not in what it holds."""

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

# Resizing its shorter side to 256 pixels makes 100 megapixels of 1 x 1,500.
_MOST_STRETCHED = 500
_TAIL = 4096  # Cameras write a little behind the last mark.
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
_SIDEWAYS = [_TURNS[orientation] for orientation in (5, 6, 7, 8)]


class BadImage(Exception):
    """An image file that cannot be read."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(path, why)
        self.path = path
        self.why = why

    def __str__(self) -> str:
        return f"{self.path} {self.why}"


def decode(path: Path, how: Decoding = PLAIN) -> Pixels:
    """Read an image as RGB, (height, width, 3), upright as its EXIF says.

    Raises:
        BadImage: where the file is missing, damaged, too large or of an odd kind.
    """
    return np.asarray(picture(path, how))


def picture(path: Path, how: Decoding = PLAIN) -> Image.Image:
    """Read an image as `decode` does, but as Pillow's own object, which resizing needs."""
    with _named(path, how), path.open("rb") as file, _opened(path, file, how) as image:
        _shrink(image, how.min_side)
        image.load()
        return _upright(_rgb(path, image, how), image)


def made_by() -> str:
    """Return what decides about pixels beside files and recipe: versions, and the processor."""
    libraries = {name: features.version(name) for name in ("pil", "jpg", "libjpeg_turbo", "webp")}
    return f"{sorted(libraries.items())} {platform.machine()} {VERSION}"


def size(path: Path, how: Decoding = PLAIN) -> tuple[int, int]:
    """Return the width and height that `picture` gives, by a file's first bytes.

    Raises:
        BadImage: where these are not those of an image.
    """
    with _named(path, how), path.open("rb") as file, _opened(path, file, how) as image:
        _shrink(image, how.min_side)
        width, height = image.size
        return (height, width) if _turn(image) in _SIDEWAYS else (width, height)


def check(path: Path, how: Decoding = PLAIN) -> None:
    """Look at an image's first and last bytes, and decode it where these leave a doubt.

    Raises:
        BadImage: as `decode`. Damage amid a file is not seen.
    """
    with _named(path, how), path.open("rb") as file, _opened(path, file, how) as image:
        is_whole = _ends_well(file, str(image.format))
    if not is_whole:
        decode(path, how)


@contextlib.contextmanager
def _named(path: Path, how: Decoding) -> Iterator[None]:
    """Name the file in whatever goes wrong with it."""
    with warnings.catch_warnings():
        # Pillow warns of corrupt EXIF, odd palettes and the like where it can go on.
        warnings.simplefilter("ignore")
        try:
            yield
        except UnidentifiedImageError:
            raise BadImage(path, f"is no image of a known kind: {_beginning(path)}") from None
        except _DAMAGE as error:
            raise BadImage(path, _describe(error, how)) from error


def _opened(path: Path, file: BinaryIO, how: Decoding) -> Image.Image:
    image = Image.open(file, formats=FORMATS)
    width, height = image.size
    if width * height > how.max_pixels:
        raise BadImage(
            path,
            f"has {width * height / 1e6:.3g} megapixels ({width} x {height}), "
            f"over the limit of {how.max_pixels / 1e6:g}; scale it down",
        )
    if max(width, height) > _MOST_STRETCHED * min(width, height):
        raise BadImage(
            path,
            f"is a strip of {width} x {height} pixels, over {_MOST_STRETCHED} times as long as "
            "wide; cut it",
        )
    return image


def _ends_well(file: BinaryIO, kind: str) -> bool:
    """Tell whether the end of a file looks as it should; False where that cannot be said."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(size - _TAIL, 0))
    tail = file.read()
    if kind == "WEBP":
        file.seek(4)
        return int.from_bytes(file.read(4), "little") + 8 <= size
    mark = {"JPEG": b"\xff\xd9", "PNG": b"IEND"}.get(kind)
    return mark is not None and mark in tail


def _shrink(image: Image.Image, min_side: int | None) -> None:
    if min_side is None or image.format not in ("JPEG", "MPO"):
        return
    width, height = image.size
    for part in (8, 4, 2):
        if min(width, height) // part >= min_side:
            # Pillow takes the largest part that leaves at least this; libjpeg rounds it up.
            image.draft(image.mode, (width // part, height // part))
            return


def _upright(rgb: Image.Image, source: Image.Image) -> Image.Image:
    turn = _turn(source)
    return rgb if turn is None else rgb.transpose(turn)


def _turn(source: Image.Image) -> Image.Transpose | None:
    """Return how to turn an image upright; None where it is."""
    try:
        orientation = source.getexif().get(_ORIENTATION)
    except _DAMAGE:  # Damaged EXIF leaves the pixels whole.
        return None
    return _TURNS.get(orientation) if isinstance(orientation, int) else None


def _rgb(path: Path, image: Image.Image, how: Decoding) -> Image.Image:
    if image.mode == "RGB" and not image.has_transparency_data:
        return image.copy() if image.readonly else image
    if image.mode.startswith("I;16"):
        # Pillow would clip; the high byte is what it takes of 16-bit colour, too.
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode in ("I", "F"):
        raise BadImage(path, "has 32 bits per value, of no stated range; save it with 8 or 16")
    if image.has_transparency_data:
        ground = Image.new("RGBA", image.size, how.background)
        return Image.alpha_composite(ground, image.convert("RGBA")).convert("RGB")
    return image.convert("RGB")


def _describe(error: BaseException, how: Decoding) -> str:
    if isinstance(error, Image.DecompressionBombError):
        return f"is far over the limit of {how.max_pixels / 1e6:g} megapixels; scale it down"
    if isinstance(error, OSError) and error.errno:
        return f"{DENIED} {os.strerror(error.errno)}"
    return f"is damaged: {error or type(error).__name__}; replace or remove it"


def _beginning(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(12)
    return f"it begins with {head!r}" if head else "it is empty"
