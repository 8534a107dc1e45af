"""Matrices and tiles: drawn at any size, and refused with a sentence."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from fttrain.pictures import confusion, ink, kinds, tiles
from fttrain.pictures.look import BadLook, Look


def matrix(classes: int) -> dict[str, object]:
    counts = np.eye(classes, dtype=int) * 5
    counts[0, 1] = 2
    names = [f"class $x_{place}" if place % 2 else f"{place}" for place in range(classes)]
    return {"title": "flowers", "split": "val", "classes": names, "counts": counts.tolist()}


def opened(png: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(png))
    image.load()
    assert image.format == "PNG"
    assert len(png) < 4 * 2**20
    return image


def has(image: Image.Image, color: str) -> bool:
    pixels = np.asarray(image.convert("RGB")).reshape(-1, 3)
    return bool((pixels == tuple(bytes.fromhex(color[1:]))).all(1).any())


@pytest.mark.parametrize("classes", [2, 5, 20, 102, 200])
@pytest.mark.parametrize("shown", [*confusion.SHADES])
def test_a_matrix_is_drawn_of_any_number_of_classes(classes: int, shown: str) -> None:
    image = opened(kinds.draw("confusion", [matrix(classes)], Look(metrics=(shown,))))

    assert 400 <= image.width <= 2000
    assert 400 <= image.height <= 2000
    # What is always right, or most frequent, is darkest.
    assert has(image, "#0b2e5c")


def test_a_cell_is_a_share_of_its_row_or_column_or_a_count() -> None:
    counts = np.array([[5, 2], [0, 0]])

    assert confusion.shaded(counts, "recall").tolist() == [[5 / 7, 2 / 7], [0, 0]]
    assert confusion.shaded(counts, "precision").tolist() == [[1, 1], [0, 0]]
    assert confusion.shaded(counts, "count").tolist() == [[5, 2], [0, 0]]


def pixels(side: int, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(side).integers(0, 255, (side, side, channels), dtype=np.uint8)


def tile(label: str, predicted: str, side: int = 8) -> dict[str, object]:
    packed = tiles.packed(pixels(side))
    return {"label": label, "predicted": predicted, "probability": 0.9, "png": packed}


@pytest.mark.parametrize(("wrong", "right"), [(0, 4), (4, 0), (12, 12), (1, 1)])
def test_wrong_and_right_examples_are_drawn(wrong: int, right: int) -> None:
    shown = [tile("a", "b") for _ in range(wrong)] + [tile("a", "a", 224) for _ in range(right)]
    body = {"title": "t", "split": "val", "images": 40, "wrong": wrong, "tiles": shown}

    image = opened(kinds.draw("predictions", [body], Look()))

    assert has(image, ink.BAD) == (wrong > 0)
    assert has(image, ink.GOOD) == (right > 0)


@pytest.mark.parametrize(("rows", "variants"), [(1, 1), (6, 6)])
def test_augmentations_are_drawn_in_rows(rows: int, variants: int) -> None:
    row = {"label": "ants", "evaluated": tiles.packed(pixels(8)), "trained": [""] * variants}
    row["trained"] = [tiles.packed(pixels(64)) for _ in range(variants)]

    opened(kinds.draw("augmentations", [{"title": "t", "rows": [row] * rows}], Look()))


@pytest.mark.parametrize("channels", [1, 3])
def test_small_images_are_kept_pixel_by_pixel(channels: int) -> None:
    shown = pixels(64, channels)

    with Image.open(io.BytesIO(base64.b64decode(tiles.packed(shown)))) as image:
        assert np.asarray(image).reshape(shown.shape).tolist() == shown.tolist()


def test_large_images_are_made_smaller() -> None:
    with Image.open(io.BytesIO(base64.b64decode(tiles.packed(pixels(224))))) as image:
        assert image.size == (tiles.SIDE, tiles.SIDE)


@pytest.mark.parametrize(
    ("kind", "count", "look", "message"),
    [
        ("curve", 1, Look(), "there is no picture `curve`; did you mean `curves`?"),
        (
            "x",
            1,
            Look(),
            "there is no picture `x`; there are curves, confusion, confusion-test, predictions, "
            "mistakes, filters, features, guided_backprop, augmentations, runs",
        ),
        ("confusion", 2, Look(), "confusion is drawn of one job, not of 2; curves compares"),
        ("confusion", 1, Look(x="log"), "confusion has no x axis to choose; curves have"),
        (
            "confusion",
            1,
            Look(metrics=("loss",)),
            "confusion has no metric `loss`; there are recall, precision, count",
        ),
        (
            "confusion",
            1,
            Look(metrics=("recall", "count")),
            "confusion shows one metric, not 2",
        ),
        ("predictions", 1, Look(y="log"), "predictions has no y axis to choose; curves have"),
        (
            "augmentations",
            1,
            Look(metrics=("loss",)),
            "augmentations has no metrics to choose; curves and confusion have",
        ),
        ("predictions", 2, Look(), "predictions is drawn of one job, not of 2; curves compares"),
    ],
)
def test_what_cannot_be_drawn_is_said(kind: str, count: int, look: Look, message: str) -> None:
    with pytest.raises(BadLook) as bad:
        kinds.draw(kind, [matrix(2)] * count, look)

    assert str(bad.value) == message
