"""Each named recipe beside its source: written out here as the paper or program has it.

torchvision's two are held against its formulas in test_torchvision_recipes.py.
"""

import itertools
import json
import math
from importlib import resources
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import ExponentialLR, StepLR
from torchvision.models import MobileNet_V2_Weights, ResNet18_Weights, mobilenet_v2, resnet18

from fttrain.models import build
from fttrain.optim import groups, optimizers, schedules
from fttrain.optim.schedules import Course
from fttrain.spec import basing, named, stages
from fttrain.spec.plan import GroupCard
from fttrain.spec.recipe import Recipe, canonical

PHOTOS = {"folder": {"path": "/photos"}}
CROP_AND_FLIP = [{"random_resized_crop": {"size": 224}}, "horizontal_flip"]
V1 = {"weights": "IMAGENET1K_V1", "head": "new"}
SGD = {"sgd": {"lr": 1e-3, "momentum": 0.9}}
STEP = {"step": {"every": 7, "gamma": 0.1}}
WRITTEN: dict[str, dict[str, Any]] = {
    "tutorial": {
        "data": {**PHOTOS, "augment": CROP_AND_FLIP},
        "model": {"name": "resnet18", **V1},
        "train": {"epochs": 25, "batch_size": 4, "optimizer": SGD, "schedule": STEP},
    },
    "feature-extractor": {
        "data": {**PHOTOS, "augment": CROP_AND_FLIP},
        "model": {"name": "resnet18", **V1},
        "train": {
            "epochs": 25, "batch_size": 4, "trains": "head", "optimizer": SGD, "schedule": STEP,
        },
    },
    "separate-lr": {
        "data": {**PHOTOS, "augment": CROP_AND_FLIP},
        "model": {"name": "mobilenet_v2", **V1},
        "train": {
            "epochs": 30, "batch_size": 64,
            "optimizer": {"adam": {"lr": 3e-4, "weight_decay": 1e-4}},
            "groups": [
                {"select": "head"},
                {"select": "last:5", "lr_factor": 0.6},
                {"select": "rest", "lr_factor": 0.4},
            ],
            "schedule": {"exponential": {"gamma": 0.9}},
        },
    },
    "separate-lr-as-run": {
        "data": {**PHOTOS, "augment": CROP_AND_FLIP},
        "model": {"name": "mobilenet_v2", **V1},
        "train": {
            "epochs": 30, "batch_size": 64, "optimizer": {"adam": {"lr": 3e-4}},
            "groups": [{"select": "head"}, {"select": "rest", "lr_factor": 0.4}],
            "schedule": {"exponential": {"gamma": 0.9}},
        },
    },
    "torchvision-v1": {
        "data": {
            **PHOTOS, "augment": CROP_AND_FLIP,
            "preprocess": {
                "resize": 256, "crop": 224,
                "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225],
            },
        },
        "model": {"name": "resnet18"},
        "train": {
            "epochs": 90, "batch_size": 32, "accumulate": 8,
            "optimizer": {
                "sgd": {
                    "lr": {"base": 0.1, "at_batch": 256, "scale": "linear"},
                    "momentum": 0.9, "weight_decay": 1e-4,
                },
            },
            "schedule": {"step": {"every": 30, "gamma": 0.1}},
        },
    },
    "torchvision-v2": {
        "data": {
            **PHOTOS,
            "augment": [
                {"random_resized_crop": {"size": 176}}, "horizontal_flip", "trivial_augment_wide",
                {"random_erasing": {"p": 0.1}},
            ],
            "mix": [{"mixup": {"alpha": 0.2}}, {"cutmix": {"alpha": 1.0}}],
            "repeats": 4,
            "preprocess": {
                "resize": 232, "crop": 224,
                "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225],
            },
        },
        "model": {"name": "resnet18"},
        "train": {
            "epochs": 600, "batch_size": 128, "accumulate": 8,
            "optimizer": {
                "sgd": {
                    "lr": {"base": 0.5, "at_batch": 1024, "scale": "linear"},
                    "momentum": 0.9, "weight_decay": 2e-5,
                },
            },
            "norm_weight_decay": 0.0,
            "schedule": {"cosine": {"by": "epoch"}},
            "warmup": {"epochs": 5, "start": 0.01},
            "loss": {"cross_entropy": {"label_smoothing": 0.1}},
            "ema": {"decay": 0.99998, "every": 32, "adjust": True},
        },
    },
}  # fmt: skip


def based(recipe: str, *, net: str = "") -> Recipe:
    said = {"recipe": recipe, "data": PHOTOS, **({"model": {"name": net}} if net else {})}
    return basing.resolve(json.dumps(said)).recipe


def net_of(recipe: str) -> str:
    """Return the net for a recipe: its own, or one for those that leave it to the job file."""
    return str(named.get(recipe).recipe.get("model", {}).get("name", "resnet18"))


def cards(recipe: Recipe) -> list[GroupCard]:
    net = build.skeleton(recipe.model, classes=2, channels=3)
    return groups.table(net, recipe.train)


def rates(recipe: Recipe, steps_per_epoch: int = 10) -> list[float]:
    train = recipe.train
    course = Course(
        schedule=train.schedule, warmup=train.warmup, epochs=train.epochs,
        steps_per_epoch=steps_per_epoch,
    )  # fmt: skip
    (base, *_) = cards(recipe)
    return [schedules.lr(base.lr, e * steps_per_epoch, course) for e in range(train.epochs)]


# --- the files --------------------------------------------------------------------------------


def test_the_names_are_those_of_the_files() -> None:
    folder = resources.files("fttrain") / "recipes"

    assert sorted(f"{name}.yaml" for name in named.NAMES) == sorted(
        file.name for file in folder.iterdir()
    )


@pytest.mark.parametrize("name", named.NAMES)
def test_a_recipe_says_what_it_is_and_is_ready_to_copy(name: str) -> None:
    recipe = named.get(name)

    about = (recipe.title, recipe.purpose, recipe.source)
    assert all(text and text == " ".join(text.split()) for text in about)
    head = [line for line in recipe.yaml.splitlines() if line.startswith("# ")]
    assert head[0].startswith(f"# {name}: ")
    assert max(map(len, recipe.yaml.splitlines())) <= 100
    # With what it leaves to the job file, it is a whole recipe.
    body = json.loads(json.dumps(recipe.recipe))
    body["data"] |= PHOTOS
    body["model"] = {"name": "resnet18", **body.get("model", {})}
    assert basing.resolve(json.dumps(body)).recipe == based(name, net=net_of(name))


@pytest.mark.parametrize("name", WRITTEN)
def test_a_recipe_is_the_one_that_is_written_out(name: str) -> None:
    written = basing.resolve(json.dumps(WRITTEN[name])).recipe

    assert canonical(based(name, net=net_of(name))) == canonical(written)


# --- the tutorial -----------------------------------------------------------------------------


def test_the_tutorial_has_the_rates_of_its_own_scheduler() -> None:
    net = resnet18()
    net.fc = nn.Linear(512, 2)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.001, momentum=0.9)
    scheduler = StepLR(optimizer, step_size=7, gamma=0.1)
    theirs = []
    for _ in range(25):
        theirs.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()

    assert rates(based("tutorial")) == pytest.approx(theirs, rel=1e-12)


def test_the_tutorial_makes_the_optimizer_of_the_tutorial() -> None:
    recipe = based("tutorial")
    net = build.skeleton(recipe.model, classes=2, channels=3).module
    theirs = torch.optim.SGD(resnet18().parameters(), lr=0.001, momentum=0.9)

    ours = optimizers.make(recipe.train.optimizer, groups.of_cards(cards(recipe), net))

    told = {key: value for key, value in ours.param_groups[0].items() if key in theirs.defaults}
    differing = {k for k, v in told.items() if v != theirs.defaults[k]}
    assert differing <= {"foreach", "fused"}
    (card,) = cards(recipe)
    assert card.parameters == sum(p.numel() for p in resnet18().parameters()) - 998 * 513


def test_the_tutorials_second_half_trains_the_new_head_alone() -> None:
    recipe = based("feature-extractor")

    (card,) = cards(recipe)

    assert card.names == ["fc.weight", "fc.bias"]
    assert (card.lr, card.weight_decay) == (0.001, 0.0)
    assert rates(recipe) == rates(based("tutorial"))


def test_the_weights_bring_the_tutorials_sizes() -> None:
    for weights in (ResNet18_Weights.IMAGENET1K_V1, MobileNet_V2_Weights.IMAGENET1K_V1):
        steps = weights.transforms()
        assert (steps.resize_size, steps.crop_size) == ([256], [224])
        assert (steps.mean, steps.std) == ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])


# --- separate rates ---------------------------------------------------------------------------


def test_separate_rates_as_meant_are_those_of_the_reports_text() -> None:
    recipe = based("separate-lr")
    lr = 3e-4
    net = mobilenet_v2()
    low = {id(p) for p in net.features[-5:].parameters()}  # of parameters, as was meant
    classifier = {id(p) for p in net.classifier.parameters()}
    said = {
        name: lr if id(p) in classifier else 0.6 * lr if id(p) in low else 0.4 * lr
        for name, p in net.named_parameters()
    }

    table = cards(recipe)

    assert {name: card.lr for card in table for name in card.names} == pytest.approx(said)
    assert [card.weight_decay for card in table] == [1e-4] * 3


def test_separate_rates_as_run_have_no_middle() -> None:
    lr = 3e-4
    net = mobilenet_v2()
    low_map = list(map(id, net.features[-5:]))
    classifier_map = list(map(id, net.classifier.parameters()))
    assert [p for p in net.parameters() if id(p) in low_map] == []
    said = {name: lr if id(p) in classifier_map else 0.4 * lr for name, p in net.named_parameters()}

    table = cards(based("separate-lr-as-run"))

    assert {name: card.lr for card in table for name in card.names} == pytest.approx(said)
    assert [card.weight_decay for card in table] == [0.0] * 2


def test_the_rates_of_all_groups_fall_alike() -> None:
    optimizer = torch.optim.Adam(nn.Linear(1, 1).parameters(), lr=3e-4)
    scheduler = ExponentialLR(optimizer, gamma=0.9)
    theirs = []
    for _ in range(30):
        theirs.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()

    assert rates(based("separate-lr")) == pytest.approx(theirs, rel=1e-12)


@pytest.mark.parametrize("net", ["resnet18", "densenet121", "convnext_tiny", "vit_b_16"])
def test_separate_rates_know_no_net_by_name(net: str) -> None:
    table = cards(based("separate-lr", net=net))

    assert [card.lr for card in table] == pytest.approx([3e-4, 1.8e-4, 1.2e-4])


# --- those of papers --------------------------------------------------------------------------


def test_bias_only_trains_biases_and_the_head() -> None:
    recipe = based("bias-only", net="mobilenet_v2")
    names = [name for name, _ in mobilenet_v2().named_parameters()]

    (card,) = cards(recipe)

    assert card.names == [n for n in names if n.endswith(".bias") or n.startswith("classifier.")]


def test_probing_comes_before_fine_tuning() -> None:
    first, second = stages.of(based("lp-ft", net="resnet18"))

    assert [card.names for card in cards(first)] == [["fc.weight", "fc.bias"]]
    (whole,) = cards(second)
    assert len(whole.names) == len(list(resnet18().named_parameters()))
    assert (first.train.epochs, second.train.epochs) == (10, 20)
    # "a smaller learning rate" of the second: a tenth, of the same optimizer.
    assert whole.lr == pytest.approx(cards(first)[0].lr / 10)
    assert second.train.optimizer.value.momentum == first.train.optimizer.value.momentum


def test_unfreezing_goes_from_the_head_downwards() -> None:
    trained = [
        {name for card in cards(flat) for name in card.names}
        for flat in stages.of(based("gradual-unfreezing", net="resnet18"))
    ]

    assert trained[0] == {"fc.weight", "fc.bias"}
    assert all(above < below for above, below in itertools.pairwise(trained))
    assert trained[-1] == {name for name, _ in resnet18().named_parameters()}


def test_layer_decay_is_that_of_the_masked_autoencoders_program() -> None:
    recipe = based("layer-decay")
    # lr = blr * eff_batch_size / 256; each layer: lr * 0.65 ** (layers - layer).
    whole = 5e-4 * 1024 / 256

    table = cards(recipe)

    rates_ = sorted({card.lr for card in table}, reverse=True)
    assert rates_ == pytest.approx([whole * 0.65**depth for depth in range(len(rates_))])
    assert len(rates_) >= 13  # the head, and twelve blocks at least
    decayed = {name for card in table if card.weight_decay for name in card.names}
    assert {card.weight_decay for card in table} == {0.05, 0.0}
    assert not [name for name in decayed if name.endswith(".bias") or ".ln" in name]
    assert math.isclose(whole, 2e-3)
