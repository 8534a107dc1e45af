"""How weights were trained, beside how a recipe trains."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torchvision

from fttrain import consistency, pretraining
from fttrain.models import known, zoo
from fttrain.models.weights import Lineage
from fttrain.spec import faults
from fttrain.spec.network import Model
from fttrain.spec.plan import ConsistencyCard
from fttrain.spec.recipe import Recipe
from fttrain.spec.rundir import BEST, MODEL
from tests import engine

V1: Mapping[str, Any] = {
    "batch_size": 64,
    "accumulate": 4,
    "epochs": 90,
    "optimizer": {"sgd": {"lr": 0.1, "momentum": 0.9, "weight_decay": 1e-4}},
    "schedule": {"step": {"every": 30, "gamma": 0.1}},
}
V1_AUGMENT = [{"random_resized_crop": {"size": 224}}, "horizontal_flip"]
V2: Mapping[str, Any] = {
    "batch_size": 1024,
    "epochs": 600,
    "optimizer": {"sgd": {"lr": 0.5, "momentum": 0.9, "weight_decay": 2e-5}},
    "schedule": "cosine",
    "warmup": {"epochs": 5},
    "norm_weight_decay": 0.0,
    "loss": {"cross_entropy": {"label_smoothing": 0.1}},
    "ema": {"adjust": True},
}
V2_DATA = {
    "augment": [
        {"random_resized_crop": {"size": 176}}, "horizontal_flip", "trivial_augment_wide",
        {"random_erasing": {"p": 0.1}},
    ],
    "mix": [{"mixup": {"alpha": 0.2}}, {"cutmix": {"alpha": 1.0}}],
    "repeats": 4,
}  # fmt: skip


def lineage(net: str, member: str) -> Lineage:
    (found,) = [each for each in known.published(net) if each.member == member]
    return Lineage(
        net=Model(name=net), classes=found.classes, preprocess=found.preprocess, origin=found.origin
    )


def recipe(train: Mapping[str, Any], **data: Any) -> Recipe:
    return engine.parsed({"fake": {}, **data}, {"name": "resnet50"}, train)


def made(start: Lineage, *stages: Recipe) -> ConsistencyCard:
    found = consistency.card(stages, start, start.preprocess)
    assert found is not None
    return found


def rows(card: ConsistencyCard) -> dict[str, tuple[str, str, str]]:
    return {row.name: (row.weights, row.recipe, row.verdict) for row in card.rows}


# --- weights that torchvision publishes -------------------------------------------------------


def test_torchvision_s_first_recipe_differs_in_nothing_from_how_its_weights_were_trained() -> None:
    card = made(lineage("resnet50", "IMAGENET1K_V1"), recipe(V1, augment=V1_AUGMENT))

    assert {row.name for row in card.rows if row.verdict != "same"} == set()
    assert card.origin == "weights resnet50 IMAGENET1K_V1"
    assert card.sources[0].endswith("/references/classification#resnet")
    assert card.facts[0] == "76.13 % right on ImageNet-1K, 92.862 % among the first 5"


def test_torchvision_s_new_recipe_differs_in_nothing_from_how_its_weights_were_trained() -> None:
    card = made(lineage("resnet50", "IMAGENET1K_V2"), recipe(V2, **V2_DATA))
    assert [row for row in card.rows if row.verdict != "same"] == []


def test_each_difference_is_marked() -> None:
    short = recipe({**V1, "epochs": 10, "warmup": {"epochs": 5}})
    found = rows(made(lineage("resnet50", "IMAGENET1K_V1"), short))

    assert {name for name, row in found.items() if row[2] == "different"} == {
        "epochs", "warm-up", "augmentation",
    }  # fmt: skip
    assert found["warm-up"] == ("none", "5 epochs from 0.01", "different")
    assert found["augmentation"] == (
        "random_resized_crop 224, horizontal_flip", "none", "different",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("net", "member", "expected"),
    [
        ("mobilenet_v2", "IMAGENET1K_V1", {
            "learning rate": "0.045", "images per step": "256", "weight decay": "4e-05",
            "schedule": "step (every 1, gamma 0.98)", "epochs": "300",
        }),
        ("vgg16", "IMAGENET1K_V1", {"learning rate": "0.01"}),
        ("vgg16_bn", "IMAGENET1K_V1", {"learning rate": "0.1"}),
        ("resnext101_32x8d", "IMAGENET1K_V1", {
            "learning rate": "0.4", "images per step": "1024", "epochs": "100",
        }),
        ("regnet_y_400mf", "IMAGENET1K_V1", {"learning rate": "0.4", "images per step": "1024"}),
        ("convnext_tiny", "IMAGENET1K_V1", {
            "optimizer": "adamw", "learning rate": "0.001", "train size": "176",
            "eval resize": "236",
        }),
    ],
)  # fmt: skip
def test_families_were_trained_as_their_page_says(
    net: str, member: str, expected: Mapping[str, str]
) -> None:
    found = rows(made(lineage(net, member), recipe(V1)))
    assert {name: found[name][0] for name in expected} == expected


@pytest.mark.parametrize("net", ["densenet121", "googlenet", "efficientnet_b0", "squeezenet1_1"])
def test_what_no_source_says_is_not_stated(net: str) -> None:
    card = made(lineage(net, "IMAGENET1K_V1"), recipe(V1))
    found = rows(card)

    assert found["learning rate"] == ("not stated", "0.1", "not stated")
    assert found["eval crop"][2] == "same"
    assert len(card.sources) == 1


def test_every_published_weight_has_a_page_and_says_all_or_nothing_of_its_rate() -> None:
    for net in zoo.known():
        for member in known.published(net):
            told = pretraining.published(member.net, member.member)
            assert told.sources[0].startswith("https://"), member
            assert (told.training.rate is None) == (told.training.images is None), member


def test_the_text_of_the_meta_is_torchvision_s_own() -> None:
    meta = torchvision.models.ResNet18_Weights.IMAGENET1K_V1.meta
    facts = pretraining.published("resnet18", "IMAGENET1K_V1").facts
    assert facts[1] == "11,689,512 parameters, 1,000 classes"
    assert facts[2] == meta["_docs"].strip()


# --- weights that a job made ------------------------------------------------------------------


@pytest.mark.parametrize("name", ["job:first/best", "file"])
def test_weights_that_a_job_made_bring_its_recipe(tmp_path: Path, name: str) -> None:
    """A checkpoint does, and an exported model, wherever its file has gone."""
    first = engine.digits(epochs=1)
    engine.trained(tmp_path / "first", first)
    exported = (tmp_path / "first" / MODEL).rename(tmp_path / "taken.safetensors")
    body = first.model_dump(mode="json", exclude_none=True)
    body["model"]["weights"] = f"file:{exported}" if name == "file" else name
    body["train"]["optimizer"] = {"adam": {"lr": 1e-3}}

    known = {} if name == "file" else {name: str(tmp_path / "first" / BEST)}
    plan = engine.planned(Recipe.model_validate(body), **known)

    assert plan.consistency is not None
    found = rows(plan.consistency)
    assert plan.consistency.origin == "job tested"
    assert plan.consistency.sources == []
    assert plan.consistency.facts[1] == "started from weights `none`"
    assert {name for name, row in found.items() if row[2] != "same"} == {
        "optimizer", "learning rate",
    }  # fmt: skip


def test_random_weights_have_no_card() -> None:
    assert engine.planned(engine.digits()).consistency is None


@pytest.mark.parametrize(
    ("train", "rate"),
    [
        ({"groups": [{"select": "head"}, {"select": "rest", "lr_factor": 0.4}]}, "0.1, 0.04"),
        ({"groups": [{"select": "head", "lr": 0.2}, {"select": "rest"}]}, "0.2, 0.1"),
        ({"layer_decay": 0.9}, "0.1, layer decay 0.9"),
    ],
    ids=["factor", "own", "layer decay"],
)
def test_all_rates_of_a_recipe_are_told(train: Mapping[str, Any], rate: str) -> None:
    found = rows(made(lineage("resnet50", "IMAGENET1K_V1"), recipe({**V1, **train})))
    assert found["learning rate"] == ("0.1", rate, "different")


# --- several stages ---------------------------------------------------------------------------


def test_what_stages_differ_in_is_told_one_after_the_other() -> None:
    low = {**V1, "optimizer": {"sgd": {"lr": 0.01, "momentum": 0.9, "weight_decay": 1e-4}}}
    found = rows(made(lineage("resnet50", "IMAGENET1K_V1"), recipe(V1), recipe(low)))

    assert found["learning rate"] == ("0.1", "0.1 → 0.01", "different")
    assert found["optimizer"] == ("sgd (momentum 0.9)", "sgd (momentum 0.9)", "same")


def test_the_epochs_of_stages_are_added_up() -> None:
    third = recipe({**V1, "epochs": 30})
    found = rows(made(lineage("resnet50", "IMAGENET1K_V1"), third, third, third))
    assert found["epochs"] == ("90", "90", "same")

    found = rows(made(lineage("resnet50", "IMAGENET1K_V1"), third, third))
    assert found["epochs"] == ("90", "60", "different")


def test_weights_of_a_job_in_stages_were_trained_as_its_stages_say() -> None:
    stages = [{"epochs": 3, "trains": "head"}, {"epochs": 4, "optimizer": {"adam": {"lr": 1e-4}}}]
    body = recipe(V1).model_dump(mode="json", exclude_unset=True)
    del body["train"]["epochs"]
    body["train"]["stages"] = stages
    staged = faults.parse(json.dumps(body))
    start = replace(lineage("resnet50", "IMAGENET1K_V1"), recipe=staged, origin="job p")

    found = rows(made(start, recipe(V1)))

    assert found["epochs"] == ("7", "90", "different")
    assert found["learning rate"] == ("0.1 → 0.0001", "0.1", "different")


def test_rates_of_stages_that_are_those_of_the_weights_are_no_single_rate() -> None:
    body = recipe(V1).model_dump(mode="json", exclude_unset=True)
    del body["train"]["epochs"]
    adam = {"adam": {"lr": 1e-4}}
    body["train"]["stages"] = [{"epochs": 3}, {"epochs": 4, "optimizer": adam}]
    staged = faults.parse(json.dumps(body))
    start = replace(lineage("resnet50", "IMAGENET1K_V1"), recipe=staged, origin="job p")
    few = {**V1, "accumulate": 1}

    card = made(start, recipe(few), recipe({**few, "optimizer": adam}))

    assert rows(card)["learning rate"] == ("0.1 → 0.0001", "0.1 → 0.0001", "same")
    assert rows(card)["images per step"] == ("256", "64", "different")
    assert list(consistency.notices(card)) == []


# --- B8: a rate from another batch ------------------------------------------------------------


def test_a_rate_that_was_used_with_many_more_images_is_noticed() -> None:
    small = recipe({**V2, "batch_size": 64})
    assert list(consistency.notices(made(lineage("resnet50", "IMAGENET1K_V2"), small))) == [
        "lr 0.5 was used with 1,024 images per step there (weights resnet50 IMAGENET1K_V2), here "
        "64; linear scaling would give 0.031"
    ]


@pytest.mark.parametrize(
    "train",
    [
        V2,
        {**V2, "batch_size": 64, "optimizer": {"sgd": {"lr": 0.4}}},
        {**V2, "batch_size": 64, "optimizer": {"adam": {"lr": 0.5}}},
        {**V2, "batch_size": 64, "optimizer": {"sgd": {"lr": {"base": 0.5, "at_batch": 1024}}}},
    ],
    ids=["same images", "another rate", "another optimizer", "scaled"],
)
def test_other_rates_are_nobody_s_business(train: Mapping[str, Any]) -> None:
    card = made(lineage("resnet50", "IMAGENET1K_V2"), recipe(train))
    assert list(consistency.notices(card)) == []
