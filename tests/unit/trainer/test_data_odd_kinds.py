"""A folder with an image of every odd kind: each comes out right, or is left out by name."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from fttrain.data import audit, sources
from fttrain.spec.images import Data
from tests.photos import damage_within, make_photo_folder

GROUND = [10, 20, 30]
RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (5, 7), np.uint8)
ALPHA = RNG.integers(0, 256, (5, 7), np.uint8)
COLOUR = RNG.integers(0, 256, (5, 7, 3), np.uint8)
Pixels = NDArray[np.generic]


def over_ground(colour: Pixels, alpha: Pixels) -> Pixels:
    share = alpha[..., None] / 255
    return np.asarray(colour * share + np.array(GROUND) * (1 - share))


def rgb(grey: Pixels) -> Pixels:
    return np.stack([grey] * 3, axis=-1)


def la(path: Path) -> Pixels:
    Image.merge("LA", [Image.fromarray(GREY), Image.fromarray(ALPHA)]).save(path, "PNG")
    return over_ground(rgb(GREY), ALPHA)


def rgba(path: Path) -> Pixels:
    Image.fromarray(np.dstack([COLOUR, ALPHA])).save(path, "WEBP", lossless=True, exact=True)
    return over_ground(COLOUR, ALPHA)


def palette(path: Path) -> Pixels:
    image = Image.fromarray(GREY % 4).convert("L")
    image = Image.frombytes("P", image.size, image.tobytes())
    image.putpalette(COLOUR[0].tobytes()[:12])
    image.save(path, "PNG", transparency=bytes([0, 90, 180, 255]))
    table = COLOUR[0].reshape(-1)[:12].reshape(4, 3)
    return over_ground(table[GREY % 4], np.array([0, 90, 180, 255])[GREY % 4])


def grey_key(path: Path) -> Pixels:
    """A grey PNG in which one value means transparent."""
    Image.fromarray(GREY).save(path, "PNG", transparency=int(GREY[2, 3]))
    key = GREY[2, 3]
    return over_ground(rgb(GREY), np.where(key == GREY, 0, 255))


def deep_grey(path: Path) -> Pixels:
    deep = RNG.integers(0, 65536, (5, 7)).astype(np.uint16)
    Image.fromarray(deep).save(path, "PNG")
    return rgb(deep / 257)


def animated(path: Path) -> Pixels:
    frames = [Image.fromarray(COLOUR), Image.fromarray(255 - COLOUR)]
    frames[0].save(path, "PNG", save_all=True, append_images=frames[1:])
    return COLOUR


def animated_gif(path: Path) -> Pixels:
    table = Image.fromarray(GREY).quantize(8)
    table.save(path, "GIF", save_all=True, append_images=[Image.fromarray(255 - GREY)])
    return np.asarray(table.convert("RGB"))


def one_pixel(path: Path) -> Pixels:
    Image.new("RGB", (1, 1), (9, 8, 7)).save(path, "BMP")
    return np.array([[[9, 8, 7]]])


def one_bit(path: Path) -> Pixels:
    Image.fromarray(GREY > 127).save(path, "TIFF")
    return rgb(np.where(GREY > 127, 255, 0))


def cmyk(path: Path) -> Pixels:
    Image.new("CMYK", (7, 5), (0, 255, 255, 0)).save(path, "JPEG", quality=100)
    return np.broadcast_to([254, 0, 0], (5, 7, 3))


def turned(number: int) -> Callable[[Path], Pixels]:
    def make(path: Path) -> Pixels:
        exif = Image.Exif()
        exif[0x0112] = number
        flat = np.repeat(np.repeat(COLOUR, 16, 0), 16, 1)
        Image.fromarray(flat).save(path, "JPEG", quality=100, subsampling=0, exif=exif)
        return {
            1: flat,
            2: flat[:, ::-1],
            3: flat[::-1, ::-1],
            4: flat[::-1],
            5: flat.transpose(1, 0, 2),
            6: np.rot90(flat, -1),
            7: flat[::-1, ::-1].transpose(1, 0, 2),
            8: np.rot90(flat),
        }[number]

    make.__name__ = f"turned_{number}"
    return make


KINDS = [
    la, rgba, palette, grey_key, deep_grey, animated, animated_gif, one_pixel, one_bit, cmyk,
    *map(turned, range(1, 9)),
]  # fmt: skip


@pytest.mark.parametrize("make", KINDS, ids=lambda make: make.__name__)
def test_an_odd_image_comes_out_as_upright_rgb(
    tmp_path: Path, make: Callable[[Path], Pixels]
) -> None:
    root = make_photo_folder(tmp_path / "p", per_class=1)
    expected = make(root / "val/circles/000.jpg")
    data = Data.model_validate({"folder": {"path": str(root)}, "background": GROUND, "max_bad": 0})

    source = sources.load(data)
    seen = source.val.image(0)

    assert audit.look(source, data).bad == {}
    assert seen.shape == expected.shape
    assert seen.dtype == np.uint8
    # JPEG and 16 to 8 bits are exact to a step or two, and so is laying over a ground.
    tolerance = 3 if make.__name__.startswith("turned") else 1
    np.testing.assert_allclose(seen, expected, atol=tolerance)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def text(path: Path) -> None:
    path.write_text("Not Found")


def cut(path: Path) -> None:
    Image.effect_noise((64, 64), 90).save(path)
    path.write_bytes(path.read_bytes()[:2000])


def cut_png(path: Path) -> None:
    Image.effect_noise((64, 64), 90).save(path, "PNG")
    path.write_bytes(path.read_bytes()[:2000])


def cut_webp(path: Path) -> None:
    Image.effect_noise((64, 64), 90).save(path, "WEBP", lossless=True)
    path.write_bytes(path.read_bytes()[:2000])


def bomb(path: Path) -> None:
    Image.new("1", (30_000, 30_000)).save(path, "PNG")


def only_a_head(path: Path) -> None:
    Image.effect_noise((64, 64), 90).save(path)
    path.write_bytes(path.read_bytes()[:20])


def floats(path: Path) -> None:
    Image.fromarray(np.ones((4, 4), np.float32)).save(path, "TIFF")


BROKEN = [empty, text, cut, cut_png, cut_webp, bomb, only_a_head, floats, damage_within]


@pytest.mark.parametrize("split", ["train", "val"])
@pytest.mark.parametrize("make", BROKEN, ids=lambda make: make.__name__)
def test_a_broken_image_is_left_out_by_name(
    tmp_path: Path, make: Callable[[Path], None], split: str
) -> None:
    root = make_photo_folder(tmp_path / "p", per_class=2)
    make(root / split / "circles" / "000.jpg")
    data = Data.model_validate({"folder": {"path": str(root)}, "max_bad": 1})

    found = audit.look(sources.load(data), data).bad

    if (make, split) == (damage_within, "train"):
        assert found == {}  # Seen when it is decoded: see test_data_audit.
    else:
        assert list(found) == [f"{split}/circles/000.jpg"]
