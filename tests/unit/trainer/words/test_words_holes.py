"""Erasing and grid masks: torchvision's boxes, formulas written out, and how often all comes."""

from typing import Any

import numpy as np
import pytest
import torch
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from fttrain.data.augment import holes
from fttrain.spec.augmentation import Augmentation
from tests.augmented import (
    PLAIN,
    assert_even,
    distance,
    draws,
    picture,
    pixels,
    proves,
    seen,
    stated,
)

N = 2000
MEAN = np.rint(255 * np.array(PLAIN.mean))


@proves("random_erasing", "random_erasing.value")
@pytest.mark.parametrize(("value", "level"), [(0, 0), (77, 77), ("mean", MEAN), (None, MEAN)])
def test_what_is_erased_is_torchvisions_of_the_drawn_box(
    value: float | str | None, level: Any
) -> None:
    options = {} if value is None else {"value": value}
    image, choice = picture(), stated("random_erasing", p=1, **options)
    for index in range(20):
        box = holes.rectangle(image.size, choice.random_erasing, draws(index))
        assert box is not None
        left, top, width, height = box

        levels = torch.tensor(np.broadcast_to(level, 3).copy(), dtype=torch.uint8)
        whole = torch.from_numpy(pixels(image).copy()).permute(2, 0, 1)
        expected = F.erase(whole, top, left, height, width, levels[:, None, None])

        np.testing.assert_array_equal(seen(choice, image, index), expected.permute(1, 2, 0).numpy())


@proves("random_erasing.scale", "random_erasing.ratio")
@pytest.mark.parametrize(
    "options", [{}, {"scale": [0.1, 0.2]}, {"ratio": [2.0, 4.0]}, {"scale": [0.7, 1.0]}]
)
def test_boxes_to_erase_are_distributed_as_torchvisions(options: dict[str, Any]) -> None:
    choice, image = stated("random_erasing", **options), torch.zeros(3, 47, 61)
    none = (0, 0, 61, 47)
    ours = [
        holes.rectangle((61, 47), choice.random_erasing, draws(index)) or none for index in range(N)
    ]
    torch.manual_seed(0)
    theirs = v2.RandomErasing(1.0, **options)
    params = [theirs.make_params([image]) for _ in range(N)]

    for mine, name in zip(np.array(ours).T, "jiwh", strict=True):
        assert distance(mine, np.array([p[name] for p in params])) < 1.95 * (2 / N) ** 0.5


def test_random_values_are_normal_in_the_nets_input() -> None:
    image = picture(200, 200)
    choice = stated("random_erasing", p=1, value="random", scale=[0.3, 0.3])
    left, top, width, height = holes.rectangle((200, 200), choice.random_erasing, draws(1))
    found = seen(choice, image, 1)

    inside = found[top : top + height, left : left + width] / 255
    standard = (inside - PLAIN.mean) / PLAIN.std

    # What bytes cannot hold is cut off: of the third channel, a sixth.
    assert np.abs(standard[..., :2].mean(axis=(0, 1))).max() < 0.05
    assert standard[..., 0].std() == pytest.approx(1, abs=0.03)
    found[top : top + height, left : left + width] = 0
    kept = pixels(image).copy()
    kept[top : top + height, left : left + width] = 0
    np.testing.assert_array_equal(found, kept)


def test_other_images_and_repeats_get_other_noise() -> None:
    choice, image = stated("random_erasing", p=1, value="random", scale=[0.9, 0.9]), picture()

    assert not np.array_equal(seen(choice, image, 0), seen(choice, image, 1))
    np.testing.assert_array_equal(seen(choice, image, 1), seen(choice, image, 1))


@proves("grid_mask", "grid_mask.cell", "grid_mask.ratio", "grid_mask.value")
@pytest.mark.parametrize(
    "options",
    [
        {"cell": [10, 20]},
        {"cell": [8, 8], "ratio": 0.25, "value": 9},
        {"cell": [10, 30], "value": 0},
    ],
)
@pytest.mark.parametrize("grey", [False, True])
def test_a_grid_hides_squares_at_its_cells(options: dict[str, Any], grey: bool) -> None:
    image, choice = picture(grey=grey), stated("grid_mask", p=1, **options)
    level = options.get("value", MEAN[:1] if grey else MEAN)
    for index in range(10):
        grid = holes.grid(image.size, choice.grid_mask, draws(index))

        expected = pixels(image).copy()
        for y in range(47):
            for x in range(61):
                down, across = (y - grid.top) % grid.cell, (x - grid.left) % grid.cell
                if down < grid.side and across < grid.side:
                    expected[y, x] = level

        if not grey or "value" in options:
            np.testing.assert_array_equal(seen(choice, image, index), expected)
        kept = options.get("ratio", 0.6)
        assert grid.side == round(grid.cell * (1 - kept))


def test_cells_and_their_beginnings_are_drawn_evenly() -> None:
    choice = stated("grid_mask", cell=[10, 1009]).grid_mask
    grids = [holes.grid((61, 47), choice, draws(index)) for index in range(N)]

    assert_even([float(grid.cell) for grid in grids], 10, 1009)
    assert_even([grid.left / grid.cell for grid in grids], 0, 1)
    assert_even([grid.top / grid.cell for grid in grids], 0, 1)


# --- how often --------------------------------------------------------------------------------

NEEDED: dict[str, dict[str, Any]] = {
    "random_crop": {"size": 31},
    "random_resized_crop": {"size": 31},
    "resize": {"size": 31},
    "center_crop": {"size": 31},
    "rotation": {"degrees": 90},
    "affine": {"degrees": 90, "fill": 255},
    "color_jitter": {"brightness": 1},
    "gaussian_blur": {"kernel_size": 5},
    "pca_lighting": {"std": 2.0},
    "adjust_sharpness": {"sharpness_factor": 0},
    "posterize": {"bits": 1},
    "solarize": {"threshold": 10},
    "rand_augment": {"num_ops": 5},
    "grid_mask": {"cell": [9, 19]},
}
KINDS = list(Augmentation.model_fields)


@proves(*(f"{kind}.p" for kind in KINDS))
@pytest.mark.parametrize("kind", KINDS)
def test_each_change_comes_as_often_as_stated(kind: str) -> None:
    image = picture()
    plain, options = pixels(image), NEEDED.get(kind, {})

    def share(p: float, count: int) -> float:
        choice = stated(kind, p=p, **options)
        changed = [not np.array_equal(seen(choice, image, i), plain) for i in range(count)]
        return sum(changed) / count

    always = share(1, 60)
    assert share(0, 20) == 0
    assert always > 0.85  # Small angles and the like change nothing now and then.
    assert abs(share(0.3, 400) - 0.3 * always) < 0.09


@pytest.mark.parametrize("kind", KINDS)
def test_each_change_says_its_usual_probability(kind: str) -> None:
    often = {"horizontal_flip", "vertical_flip", "perspective", "adjust_sharpness"}
    often |= {"autocontrast", "equalize", "invert", "posterize", "solarize"}
    often |= {"random_erasing", "grid_mask"}
    usual = 0.5 if kind in often else 0.1 if kind == "grayscale" else 1.0

    assert stated(kind, **NEEDED.get(kind, {})).value.p == usual
