"""Every kind of image file comes out as upright RGB, or is named."""

import multiprocessing
import pickle
import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from fttrain.data import decode
from fttrain.data.decode import BadImage

# A patch per corner: whatever turns the image shows.
RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def corners(width: int = 6, height: int = 4) -> Image.Image:
    pixels = np.empty((height, width, 3), np.uint8)
    half_h, half_w = height // 2, width // 2
    pixels[:half_h, :half_w], pixels[:half_h, half_w:] = RED, GREEN
    pixels[half_h:, :half_w], pixels[half_h:, half_w:] = BLUE, WHITE
    return Image.fromarray(pixels)


def damaged(path: Path) -> str:
    with pytest.raises(BadImage) as caught:
        decode.decode(path)
    assert caught.value.path == path
    return str(caught.value)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["png", "tif", "webp"])
def test_exif_orientation_is_applied(tmp_path: Path, kind: str, orientation: int) -> None:
    upright = np.asarray(corners())
    as_stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright),
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a.{kind}"
    options = {"lossless": True} if kind == "webp" else {}
    Image.fromarray(np.ascontiguousarray(as_stored)).save(path, exif=exif, **options)

    seen = decode.decode(path)

    np.testing.assert_array_equal(seen, upright)


def test_jpeg_orientation_equals_pillows_own(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    corners(32, 16).save(tmp_path / "a.jpg", exif=exif)

    seen = decode.decode(tmp_path / "a.jpg")

    assert seen.shape == (32, 16, 3)
    with Image.open(tmp_path / "a.jpg") as image:
        np.testing.assert_array_equal(seen, np.asarray(ImageOps.exif_transpose(image)))


def test_damaged_exif_leaves_the_pixels(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    corners().save(path, exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01\x12")

    assert decode.decode(path).shape == (4, 6, 3)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA"])
def test_png_of_every_mode_comes_out_as_rgb(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "a.png"
    image = corners().convert(mode)
    image.save(path)

    seen = decode.decode(path)

    assert seen.dtype == np.uint8
    np.testing.assert_array_equal(seen, np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("kind", ["jpg", "tif"])
def test_cmyk_comes_out_as_rgb(tmp_path: Path, kind: str) -> None:
    corners(32, 32).convert("CMYK").save(tmp_path / f"a.{kind}", quality=100)

    seen = decode.decode(tmp_path / f"a.{kind}")

    np.testing.assert_allclose(seen[8, 8], RED, atol=8)
    np.testing.assert_allclose(seen[24, 24], WHITE, atol=8)


def test_transparent_pixels_are_laid_over_white(tmp_path: Path) -> None:
    pixels = np.zeros((1, 3, 4), np.uint8)
    pixels[0, :, 3] = [0, 128, 255]
    Image.fromarray(pixels).save(tmp_path / "a.png")

    seen = decode.decode(tmp_path / "a.png")

    np.testing.assert_array_equal(seen[0, :, 0], [255, 127, 0])


def test_a_transparent_colour_of_a_palette_is_laid_over_white(tmp_path: Path) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([0, 0, 0, 10, 20, 30])
    image.putpixel((1, 0), 1)
    image.save(tmp_path / "a.png", transparency=0)

    seen = decode.decode(tmp_path / "a.png")

    assert seen.tolist() == [[[255, 255, 255], [10, 20, 30]]]


@pytest.mark.parametrize("kind", ["png", "tif"])
def test_sixteen_bits_are_scaled_not_clipped(tmp_path: Path, kind: str) -> None:
    deep = np.array([[0, 255, 256, 32768, 65535]], np.uint16)
    Image.fromarray(deep).save(tmp_path / f"a.{kind}")

    seen = decode.decode(tmp_path / f"a.{kind}")

    assert seen[0, :, 0].tolist() == [0, 0, 1, 128, 255]
    assert seen.shape == (1, 5, 3)


@pytest.mark.parametrize("kind", ["webp", "png", "tif"])
def test_the_first_frame_is_taken(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"a.{kind}"
    options = {"lossless": True} if kind == "webp" else {}
    corners().save(path, save_all=True, append_images=[Image.new("RGB", (6, 4))], **options)

    np.testing.assert_array_equal(decode.decode(path), np.asarray(corners()))


def test_a_file_is_read_as_what_it_is_not_as_its_name_says(tmp_path: Path) -> None:
    corners().save(tmp_path / "a.gif")
    path = (tmp_path / "a.gif").rename(tmp_path / "a.jpg")

    np.testing.assert_array_equal(decode.decode(path), np.asarray(corners()))


def test_a_phones_multi_picture_jpeg_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    corners(32, 16).save(path, format="MPO", save_all=True, append_images=[corners(32, 16)])

    assert decode.decode(path).shape == (16, 32, 3)


def test_a_truncated_photo_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.effect_noise((64, 64), 90).save(path)
    path.write_bytes(path.read_bytes()[:1500])

    message = damaged(path)

    assert message.startswith(f"{path} is damaged: image file is truncated (")
    assert message.endswith("; replace or remove it")


def test_a_page_saved_as_a_photo_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_text("<!DOCTYPE html><html></html>")

    assert damaged(path) == f"{path} is no image of a known kind: it begins with b'<!DOCTYPE ht'"


def test_an_empty_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.touch()

    assert damaged(path) == f"{path} is no image of a known kind: it is empty"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"

    assert damaged(path) == f"{path} cannot be read: No such file or directory"


def test_too_many_pixels_are_refused_before_they_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("1", (20_000, 6_000)).save(path)

    assert damaged(path) == (
        f"{path} has 120 megapixels (20000 x 6000), over the limit of 100; scale it down"
    )


def test_a_strip_that_resizing_would_blow_up_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("RGB", (1000, 2)).save(path)
    assert decode.decode(path).shape == (2, 1000, 3)
    Image.new("RGB", (1001, 2)).save(path)

    assert damaged(path) == (
        f"{path} is a strip of 1001 x 2 pixels, over 500 times as long as wide; cut it"
    )


def test_a_decompression_bomb_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("1", (20_000, 10_000)).save(path)

    assert damaged(path) == f"{path} is far over the limit of 100 megapixels; scale it down"


def test_values_without_a_stated_range_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    Image.fromarray(np.ones((2, 2), np.float32)).save(path)

    assert damaged(path) == (
        f"{path} has 32 bits per value, of no stated range; save it with 8 or 16"
    )


@pytest.mark.parametrize("kind", ["jpg", "png", "webp", "bmp"])
def test_no_damage_leads_to_another_error(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"a.{kind}"
    corners(40, 30).save(path)
    whole = path.read_bytes()
    chance = random.Random(0)
    outcomes = set()

    for _ in range(200):
        length = chance.choice([len(whole), chance.randrange(1, len(whole))])
        content = bytearray(whole[:length])
        for _ in range(chance.choice([0, 1, 4])):
            content[chance.randrange(min(len(content), 120))] = chance.randrange(256)
        path.write_bytes(content)
        try:
            outcomes.add(decode.decode(path).ndim)
        except BadImage:
            outcomes.add("bad")

    assert outcomes == {3, "bad"}


def test_the_error_survives_the_way_between_processes(tmp_path: Path) -> None:
    error = BadImage(tmp_path / "a.jpg", "is damaged")

    copy = pickle.loads(pickle.dumps(error))

    assert (copy.path, str(copy)) == (error.path, str(error))


def test_no_file_stays_open(tmp_path: Path) -> None:
    corners().save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes()[:60])
    before = sorted(p.name for p in Path("/proc/self/fd").iterdir())

    decode.decode(tmp_path / "a.png")
    damaged(tmp_path / "b.png")

    assert sorted(p.name for p in Path("/proc/self/fd").iterdir()) == before


def test_a_forked_process_decodes_the_same(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    corners(64, 48).save(path)

    with multiprocessing.get_context("fork").Pool(1) as pool:
        elsewhere = pool.apply(decode.decode, (path,))

    np.testing.assert_array_equal(elsewhere, decode.decode(path))
