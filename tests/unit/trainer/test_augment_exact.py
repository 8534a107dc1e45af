"""With every change of images on, mixed and repeated, the bits do not depend on who loads them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from fttrain import assembly
from fttrain.events import Steps
from fttrain.models import tensors
from fttrain.spec import faults, rundir
from fttrain.spec.augmentation import Augmentation, Mix
from fttrain.spec.faults import RecipeFaults
from fttrain.spec.recipe import Recipe
from tests import engine
from tests.photos import make_photo_folder

EVERY: list[Any] = [
    {"resize": {"size": 40}},
    {"random_crop": {"size": 38, "padding": 2}},
    {"center_crop": {"size": 36}},
    {"random_resized_crop": {"size": 32}},
    "horizontal_flip",
    "vertical_flip",
    {"rotation": {"degrees": 15, "interpolation": "bilinear", "p": 0.5}},
    {"affine": {"degrees": 10, "translate": [0.1, 0.1], "scale": [0.9, 1.1], "shear": 5}},
    "perspective",
    {"color_jitter": {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1}},
    "grayscale",
    {"gaussian_blur": {"kernel_size": 5, "p": 0.5}},
    "pca_lighting",
    {"adjust_sharpness": {"sharpness_factor": 2}},
    *({kind: {"p": 0.2}} for kind in ("autocontrast", "equalize", "invert")),
    {"posterize": {"bits": 4, "p": 0.2}},
    {"solarize": {"threshold": 128, "p": 0.2}},
    "auto_augment",
    "rand_augment",
    "trivial_augment_wide",
    "aug_mix",
    {"random_erasing": {"value": "random"}},
    {"grid_mask": {"cell": [8, 16]}},
]
MIX = ["mixup", "cutmix"]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """18 photos: batches of 5 leave 3, an odd one each."""
    root = tmp_path_factory.mktemp("every") / "photos"
    return make_photo_folder(root, per_class=9, val_per_class=3)


def recipe(photos: Path, *, workers: int = 0, **train: Any) -> Recipe:
    data = {
        "folder": {"path": str(photos)},
        "preprocess": engine.FRAMED,
        "augment": EVERY,
        "mix": MIX,
        "repeats": 3,
        "workers": workers,
    }
    train = {"batch_size": 5, "accumulate": 2, "epochs": 3, **train}
    return engine.parsed(data, {"cnn": {"channels": [4, 8], "dropout": 0.5}}, train)


def result(run_dir: Path, chosen: Recipe) -> tuple[list[float], Mapping[str, torch.Tensor]]:
    told = engine.trained(run_dir, chosen)
    losses = [loss for record in told if isinstance(record, Steps) for loss in record.losses]
    return losses, tensors.read(run_dir / rundir.LAST).tensors


def names(stated: list[Any]) -> set[str]:
    return {each if isinstance(each, str) else next(iter(each)) for each in stated}


def test_the_recipe_here_has_every_change() -> None:
    assert names(EVERY) == set(Augmentation.model_fields)
    assert names(MIX) == set(Mix.model_fields)


@pytest.fixture(scope="module")
def first(
    photos: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[list[float], Mapping[str, torch.Tensor]]:
    torch.set_num_threads(1)
    return result(tmp_path_factory.mktemp("first") / "run", recipe(photos))


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_any_number_of_loaders_gives_the_same_bits(
    tmp_path: Path,
    photos: Path,
    first: tuple[list[float], Mapping[str, torch.Tensor]],
    workers: int,
) -> None:
    torch.manual_seed(workers)  # Whatever the process did before.

    losses, weights = result(tmp_path / "run", recipe(photos, workers=workers))

    assert losses == first[0]
    assert weights.keys() == first[1].keys()
    assert all(torch.equal(value, first[1][name]) for name, value in weights.items())


def test_another_seed_gives_other_bits(
    tmp_path: Path, photos: Path, first: tuple[list[float], Mapping[str, torch.Tensor]]
) -> None:
    losses, _ = result(tmp_path / "run", recipe(photos, seed=1))

    assert losses[0] != first[0][0]


def test_mixing_counts_from_the_steps_of_the_run(photos: Path) -> None:
    training = assembly.training(recipe(photos), engine.planned(recipe(photos)))
    assert training.mixing is not None
    images, labels = torch.zeros(5, 3, 8, 8, dtype=torch.uint8), torch.tensor([0, 1, 0, 1, 1])

    _, one = training.mixing(images, labels, step=3, place=1)
    _, again = training.mixing(images, labels, step=3, place=1)
    _, other = training.mixing(images, labels, step=4, place=1)

    assert torch.equal(one, again)
    assert not torch.equal(one, other)


FAULTS: list[tuple[dict[str, Any], dict[str, str]]] = [
    (
        {"augment": ["mixup"]},
        {"data.augment[0].mixup": "`mixup` mixes whole batches; say it under data.mix"},
    ),
    (
        {"augment": [{"affine": {"scale": [2, 1]}}]},
        {"data.augment[0].affine": "scale is [2, 1]: the least comes first"},
    ),
    (
        {"augment": [{"gaussian_blur": {"kernel_size": 4}}]},
        {"data.augment[0].gaussian_blur": "kernel_size is 4; say an odd number"},
    ),
    (
        {"augment": [{"rand_augment": {"magnitude": 31}}]},
        {"data.augment[0].rand_augment": "magnitude is 31; num_magnitude_bins allow 30"},
    ),
    (
        {"augment": [{"random_erasing": {"value": "median"}}]},
        {"data.augment[0].random_erasing.value": "'median' is unknown; did you mean `mean`?"},
    ),
    (
        {"augment": [{"random_erasing": {"value": 300}}]},
        {"data.augment[0].random_erasing.value": "should be less than or equal to 255, not 300"},
    ),
]


@pytest.mark.parametrize(("data", "expected"), FAULTS)
def test_what_cannot_be_meant_is_told(
    photos: Path, data: dict[str, Any], expected: dict[str, str]
) -> None:
    body = {"folder": {"path": str(photos)}, "preprocess": engine.FRAMED, **data}

    with pytest.raises(RecipeFaults) as found:
        faults.parse(json.dumps({"data": body, **SMALL}))

    assert {fault.field: fault.description for fault in found.value.faults} == expected


SMALL: dict[str, Any] = {
    "model": {"cnn": {"channels": [4]}},
    "train": {"epochs": 1, "batch_size": 4, "optimizer": engine.SGD},
}


@pytest.mark.parametrize(
    ("augment", "expected"),
    [
        (
            [{"resize": {"size": 40}}],
            "leaves images of different sizes (resize), which cannot form a batch; end with a "
            "center_crop, random_crop or random_resized_crop of p 1",
        ),
        (
            [{"resize": {"size": 40}}, {"random_crop": {"size": 32, "p": 0.5}}],
            "leaves images of different sizes (resize, random_crop), which cannot form a batch; "
            "end with a center_crop, random_crop or random_resized_crop of p 1",
        ),
        ([{"random_crop": {"size": 32}}, {"random_resized_crop": {"size": 32, "p": 0.5}}], None),
        ([{"random_crop": {"size": 32}}, {"resize": {"size": 36}}], None),
    ],
)
def test_sizes_must_come_out_even(photos: Path, augment: list[Any], expected: str | None) -> None:
    body = {"folder": {"path": str(photos)}, "preprocess": engine.FRAMED, "augment": augment}
    chosen = Recipe.model_validate_json(json.dumps({"data": body, **SMALL}))

    if expected is None:
        engine.planned(chosen)
    else:
        assert engine.refused(chosen) == {"data.augment": expected}


def test_lighting_of_grey_images_is_refused() -> None:
    body = {"digits": {"labels_per_class": 4}, "augment": ["pca_lighting"]}
    chosen = Recipe.model_validate_json(json.dumps({"data": body, **SMALL}))

    assert engine.refused(chosen) == {
        "data.augment[0].pca_lighting": "is about colours, but the images have 1 channel; "
        "leave it out"
    }


@pytest.mark.parametrize("kind", sorted(set(Augmentation.model_fields) - {"pca_lighting"}))
def test_grey_digits_go_through_every_other_change(kind: str, tmp_path: Path) -> None:
    (stated,) = (each for each in EVERY if names([each]) == {kind})
    crop = [{"center_crop": {"size": 8}}] if kind == "resize" else []
    body = {"digits": {"labels_per_class": 4}, "augment": [stated, *crop]}
    chosen = Recipe.model_validate_json(json.dumps({"data": body, **SMALL}))

    assert engine.trained(tmp_path / "run", chosen)
