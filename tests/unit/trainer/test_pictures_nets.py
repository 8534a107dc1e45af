"""Pictures of nets and of their mistakes: drawn again of their numbers, bounded in size."""

import base64
import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fttrain.pictures import filters, ink, kinds, sheet, tiles
from fttrain.pictures.look import BadLook, Look
from fttrain.results import mistakes
from fttrain.results.verdicts import Verdicts

NOISE = np.random.default_rng(0)


def noise(side: int = 112) -> str:
    return tiles.packed(NOISE.integers(0, 255, (side, side, 3), dtype=np.uint8), side)


def opened(png: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(png))
    image.load()
    assert image.format == "PNG"
    assert len(png) < 4 * 2**20
    return image


def verdicts(images: int, classes: int, *, right: int = 0) -> Verdicts:
    """Return verdicts of which the first `right` are right, the others wrong."""
    labels = np.arange(images) % classes
    predicted = np.where(np.arange(images) < right, labels, (labels + 1) % classes)
    return Verdicts(
        indices=np.arange(images), labels=labels, predicted=predicted,
        confidence=NOISE.permutation(np.linspace(0.3, 0.9, images)), rank=predicted - labels,
        surprise=NOISE.permutation(np.linspace(0.1, 9.0, images)), loss_sum=1.0, classes=classes,
    )  # fmt: skip


def body(found: Verdicts) -> dict[str, Any]:
    shown = mistakes.worst(found)
    images = [(f"photo {place}", np.zeros((4, 4, 3), np.uint8)) for place in shown]
    names = [f"class {label}" for label in range(found.classes)]
    told = mistakes.body(found, shown, images, classes=names, title="ants")
    for tile in told["tiles"]:
        tile["png"] = noise()
    return told


# --- mistakes -------------------------------------------------------------------------------------


def test_the_worst_mistakes_are_those_of_the_highest_loss_and_confidence_and_of_each_class() -> (
    None
):
    found = verdicts(300, 10, right=60)

    shown = mistakes.worst(found)

    wrong = np.arange(60, 300)
    by_loss = sorted(wrong, key=lambda place: -found.surprise[place])
    by_confidence = sorted(wrong, key=lambda place: -found.confidence[place])
    expected = {*by_loss[:24], *by_confidence[:24]}
    for label in range(6):
        expected |= set([place for place in by_loss if found.labels[place] == label][:6])
    assert shown.tolist() == [place for place in by_loss if place in expected]


def test_mistakes_tell_what_each_class_is_most_often_taken_for() -> None:
    found = verdicts(40, 4, right=20)

    told = body(found)

    assert (told["images"], told["wrong"]) == (40, 20)
    assert told["classes"][0] == {
        "label": "class 0", "images": 10, "wrong": 5, "taken_for": "class 1", "times": 5,
    }  # fmt: skip
    first = told["tiles"][0]
    place = int(first["name"].removeprefix("photo "))
    assert first["loss"] == found.surprise[20:].max() == found.surprise[place]
    assert first["probability"] == found.confidence[place]


@pytest.mark.parametrize("metrics", [(), ("loss",), ("confidence", "class"), ("class",)])
@pytest.mark.parametrize("images", [1, 30, 300])
def test_mistakes_are_drawn_in_any_order(images: int, metrics: tuple[str, ...]) -> None:
    told = body(verdicts(images, 10))

    image = opened(kinds.draw("mistakes", [told], Look(metrics=metrics)))

    assert 700 <= image.width <= 1300
    every = opened(kinds.draw("mistakes", [told], Look(metrics=("loss", "confidence", "class"))))
    assert every.height * 1300 / every.width >= image.height * 1300 / image.width - 1


def test_a_run_without_a_mistake_says_so() -> None:
    told = body(verdicts(12, 3, right=12))

    assert (told["wrong"], told["tiles"], told["classes"]) == (0, [], [])
    opened(kinds.draw("mistakes", [told], Look()))


# --- filters --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "columns", "rows"), [(1, 1, 1), (16, 4, 4), (32, 6, 6), (64, 8, 8), (96, 10, 10)]
)
def test_filters_stand_in_a_square(count: int, columns: int, rows: int) -> None:
    shades = np.zeros((count, 3, 3, 3), np.float32)

    whole = filters.mosaic(shades)

    step, gap = 16 * 3 + 5, 5
    assert whole.shape == (rows * step - gap, columns * step - gap, 3)
    assert (whole[0, 0] == 0).all()
    assert (whole[:, -1] == 0).any() or count < columns


def test_a_filter_is_scaled_by_itself_or_with_all_others_and_grey_is_0() -> None:
    weights = np.zeros((2, 3, 1, 2), np.float32)
    weights[0, 0, 0, 0], weights[1, 2, 0, 1] = 0.2, -0.8

    each, joint = (filters.shaded(weights, scale) for scale in ("each", "joint"))

    assert each[0, 0, 0].tolist() == [1.0, 0.5, 0.5]
    assert each[1, 0, 1].tolist() == [0.5, 0.5, 0.0]
    assert joint[0, 0, 0].tolist() == pytest.approx([0.625, 0.5, 0.5])
    assert filters.shaded(weights[:, :1], "each").shape == (2, 1, 2, 1)


def filter_body(count: int, channels: int, side: int) -> dict[str, Any]:
    weights = NOISE.normal(size=(count, channels, side, side)).astype("<f4")
    return {
        "title": "ants", "layer": "conv1", "filters": 2 * count, "shape": list(weights.shape),
        "weights": base64.b64encode(weights.tobytes()).decode(),
    }  # fmt: skip


@pytest.mark.parametrize(("count", "channels", "side"), [(1, 1, 3), (64, 3, 7), (256, 3, 16)])
@pytest.mark.parametrize("scale", [*filters.SCALES])
def test_filters_of_any_number_are_drawn(count: int, channels: int, side: int, scale: str) -> None:
    told = filter_body(count, channels, side)

    image = opened(kinds.draw("filters", [told], Look(metrics=(scale,))))

    assert 400 <= image.width <= 1500


# --- feature maps and neurons ---------------------------------------------------------------------


def feature_body(layers: int, maps: int) -> dict[str, Any]:
    pixels = NOISE.integers(0, 255, (56, 56, 1), dtype=np.uint8)
    shown = {"low": -1.0, "high": 2.0, "png": tiles.packed(pixels)}
    return {
        "title": "ants",
        "image": {"name": "a.jpg", "label": "ants", "predicted": "bees", "png": noise()},
        "layers": [
            {
                "name": f"layer{number}", "channels": 64, "height": 56, "width": 56,
                "maps": [{"channel": channel, **shown} for channel in range(maps)],
            }
            for number in range(layers)
        ],
    }  # fmt: skip


@pytest.mark.parametrize(("layers", "maps"), [(1, 1), (8, 40)])
def test_feature_maps_are_drawn_a_row_each_or_all_of_one_layer(layers: int, maps: int) -> None:
    told = feature_body(layers, maps)

    whole = opened(kinds.draw("features", [told], Look()))
    one = opened(kinds.draw("features", [told], Look(metrics=("layer0",))))

    assert whole.width == one.width
    assert whole.height >= one.height


def neuron_body(neurons: int) -> dict[str, Any]:
    one = {
        "channel": 3, "row": 1, "column": 2, "value": 4.0, "activations": 16, "name": "a.jpg",
        "label": "ants", "predicted": "ants", "png": noise(168), "scale": 0.1,
        "gradient": noise(168),
    }  # fmt: skip
    return {
        "title": "ants", "layer": "conv5", "norm": None, "images": 128, "rule": "",
        "neurons": [one] * neurons,
    }  # fmt: skip


@pytest.mark.parametrize("neurons", [1, 10])
def test_neurons_are_drawn_a_column_each(neurons: int) -> None:
    image = opened(kinds.draw("guided_backprop", [neuron_body(neurons)], Look()))

    columns = max(neurons, 4)
    inches = 2 * sheet.LEFT + columns * (sheet.TILE + sheet.GAP) - sheet.GAP
    assert image.width == int(inches * ink.DPI)


@pytest.mark.parametrize(
    ("kind", "told", "look", "message"),
    [
        (
            "mistakes",
            body(verdicts(2, 2)),
            Look(metrics=("lost",)),
            "mistakes has no metric `lost`; did you mean `loss`?",
        ),
        (
            "filters",
            filter_body(1, 1, 3),
            Look(metrics=("each", "joint")),
            "filters shows one scale, not 2",
        ),
        (
            "features",
            feature_body(2, 1),
            Look(metrics=("conv",)),
            "features has no metric `conv`; there are layer0, layer1",
        ),
        (
            "guided_backprop",
            neuron_body(1),
            Look(metrics=("loss",)),
            "guided_backprop has no metrics to choose; curves and confusion have",
        ),
        ("mistakes", body(verdicts(2, 2)), Look(x="log"), "mistakes has no x axis to choose; "
         "curves have"),
    ],
)  # fmt: skip
def test_what_pictures_of_nets_cannot_show_is_said(
    kind: str, told: dict[str, Any], look: Look, message: str
) -> None:
    with pytest.raises(BadLook) as bad:
        kinds.draw(kind, [told], look)

    assert str(bad.value) == message
