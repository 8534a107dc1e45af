"""A recipe merged over another one: what it says counts, and no more than that changes."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fttrain.spec import named
from fttrain.spec.merging import merged

WHOLE: dict[str, Any] = {
    "data": {
        "folder": {"path": "/photos", "split": {"val": 0.2, "seed": 1}},
        "augment": [{"random_crop": {"size": 32}}, "vertical_flip"],
        "sampling": {"shuffled": {}},
        "preprocess": {"resize": 40, "crop": 32},
        "limit": 10,
    },
    "model": {"cnn": {"channels": [8], "dropout": 0.1}, "head": [{"linear": 8}]},
    "train": {
        "epochs": 3,
        "batch_size": 16,
        "optimizer": {"sam": {"base": {"adamw": {"lr": 1e-3}}, "rho": 0.1}},
        "schedule": {"cosine": {"by": "step"}},
        "warmup": {"steps": 100},
        "groups": [{"select": "head", "lr": {"base": 0.1, "at_batch": 32}}],
        "loss": {"focal": {"gamma": 1.0}},
    },
    "outputs": [],
}
BODIES = [WHOLE, *(dict(each.recipe) for each in named.every())]


def leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield what is no map, with its path; an empty map counts, too."""
    if not isinstance(value, dict) or not value:
        yield path, value
        return
    for key, each in value.items():
        yield from leaves(each, (*path, key))


@st.composite
def parts(draw: st.DrawFn) -> dict[str, Any]:
    """Return some keys of some recipe, at any depth."""
    whole = draw(st.sampled_from(BODIES))

    def some(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        keys = draw(st.lists(st.sampled_from(sorted(value)), unique=True)) if value else []
        return {key: some(value[key]) for key in keys}

    kept: dict[str, Any] = some(whole)
    return kept


def spelled_out(value: Any, key: str = "") -> Any:
    """Return a recipe in which no choice stands by its bare name."""
    if isinstance(value, dict):
        return {name: spelled_out(each, name) for name, each in value.items()}
    is_choice = isinstance(value, str) and key in ("schedule", "loss", "optimizer", "sampling")
    return {value: {}} if is_choice else value


@given(parts())
def test_nothing_over_a_recipe_leaves_it_as_it_is(body: dict[str, Any]) -> None:
    assert merged(body, {}) == body
    assert merged({}, body) == body


@given(parts())
def test_a_recipe_over_itself_is_itself(body: dict[str, Any]) -> None:
    assert spelled_out(merged(body, body)) == spelled_out(body)


@given(parts(), parts())
def test_what_is_said_counts_and_is_said_once(under: dict[str, Any], over: dict[str, Any]) -> None:
    before = copy.deepcopy((under, over))

    whole = merged(under, over)

    said = dict(leaves(spelled_out(whole)))
    for path, value in leaves(spelled_out(over)):
        # An empty map says nothing.
        assert value == {} or said[path] == value
    assert spelled_out(merged(whole, over)) == spelled_out(whole)
    assert (under, over) == before


@given(parts(), parts())
def test_nothing_comes_from_elsewhere(under: dict[str, Any], over: dict[str, Any]) -> None:
    known = [*leaves(spelled_out(under)), *leaves(spelled_out(over))]

    assert all(leaf in known for leaf in leaves(spelled_out(merged(under, over))))


TUTORIAL = named.get("tutorial").recipe


@pytest.mark.parametrize(
    ("over", "path", "expected"),
    [
        # Maps key by key; numbers and texts replace.
        ({"train": {"epochs": 3}}, "train.epochs", 3),
        ({"train": {"epochs": 3}}, "train.batch_size", 4),
        ({"model": {"name": "mobilenet_v2"}}, "model.weights", "IMAGENET1K_V1"),
        # Choices: of the same kind key by key, also by their bare names; else as a whole.
        (
            {"train": {"optimizer": {"sgd": {"lr": 0.1}}}},
            "train.optimizer", {"sgd": {"lr": 0.1, "momentum": 0.9}},
        ),
        (
            {"train": {"optimizer": {"adam": {"lr": 0.1}}}},
            "train.optimizer", {"adam": {"lr": 0.1}},
        ),
        ({"train": {"schedule": "step"}}, "train.schedule", {"step": {"every": 7, "gamma": 0.1}}),
        ({"train": {"schedule": "cosine"}}, "train.schedule", "cosine"),
        (
            {"train": {"schedule": {"step": None}}},
            "train.schedule", {"step": {"every": 7, "gamma": 0.1}},
        ),
        (
            {"train": {"loss": {"cross_entropy": {"label_smoothing": 0.1}}}},
            "train.loss", {"cross_entropy": {"label_smoothing": 0.1}},
        ),
        # Lists as a whole, or an entry by its place.
        ({"data": {"augment": []}}, "data.augment", []),
        (
            {"data": {"augment": {"[0]": {"random_resized_crop": {"size": 160}}}}},
            "data.augment", [{"random_resized_crop": {"size": 160}}, "horizontal_flip"],
        ),
        (
            {"data": {"augment": {"[1]": {"horizontal_flip": {"p": 0.1}}, "[0]": "resize"}}},
            "data.augment", ["resize", {"horizontal_flip": {"p": 0.1}}],
        ),
        ({"data": {"augment": {"[2]": "resize"}}}, "data.augment", {"[2]": "resize"}),
        # null takes out; where nothing is, it stays for the reader to judge.
        ({"train": {"schedule": None}}, "train.schedule", "nothing"),
        ({"train": {"ema": None}}, "train.ema", None),
        ({"train": None}, "train", "nothing"),
        # Keys that exclude each other.
        ({"model": {"cnn": {}}}, "model.name", "nothing"),
        ({"model": {"cnn": None}}, "model", {"weights": "IMAGENET1K_V1", "head": "new",
                                            "cnn": None}),
        ({"train": {"stages": [{"epochs": 1}]}}, "train.epochs", "nothing"),
    ],
)  # fmt: skip
def test_the_rules(over: dict[str, Any], path: str, expected: Any) -> None:
    here: Any = merged(TUTORIAL, over)
    for part in path.split("."):
        here = here.get(part, "nothing")

    assert here == expected


def test_where_the_images_come_from_is_one_place() -> None:
    under = {"data": {"torchvision": {"name": "CIFAR10", "path": "/c"}, "limit": 3}}

    over = {"data": {"folder": {"path": "/photos"}}}
    assert merged(under, over) == {"data": {"limit": 3, "folder": {"path": "/photos"}}}
    # Two of the file's own are its fault to tell.
    both = {"data": {"folder": {"path": "/p"}, "digits": {}}}
    assert set(merged(under, both)["data"]) == {"limit", "folder", "digits"}


def test_a_warm_up_is_in_one_unit() -> None:
    under = {"train": {"warmup": {"epochs": 5, "start": 0.1}}}

    assert merged(under, {"train": {"warmup": {"steps": 9}}}) == {
        "train": {"warmup": {"start": 0.1, "steps": 9}}
    }


def test_epochs_drive_no_stages_out() -> None:
    under = {"train": {"stages": [{"epochs": 1}]}}

    # That is a fault of the recipe, which says where the epochs belong.
    assert merged(under, {"train": {"epochs": 3}}) == {
        "train": {"stages": [{"epochs": 1}], "epochs": 3}
    }


def test_an_entry_of_stages_is_merged_as_a_stage() -> None:
    first = {"epochs": 1, "optimizer": {"sgd": {"lr": 0.1, "momentum": 0.9}}}
    under = {"train": {"stages": [first, {"epochs": 2}]}}
    over = {"train": {"stages": {"[0]": {"optimizer": {"sgd": {"lr": 0.2}}}}}}

    assert merged(under, over)["train"]["stages"] == [
        {"epochs": 1, "optimizer": {"sgd": {"lr": 0.2, "momentum": 0.9}}}, {"epochs": 2},
    ]  # fmt: skip


@pytest.mark.parametrize(
    "over", [{"train": 3}, {"train": [1]}, {"zzz": {}}, {"data": {"digits": 1}}]
)
def test_what_is_no_recipe_is_merged_all_the_same(over: dict[str, Any]) -> None:
    ((key, value),) = over.items()

    whole = merged(TUTORIAL, over)

    assert whole.keys() == TUTORIAL.keys() | {key}
    assert whole[key] == ({**TUTORIAL[key], **value} if key == "data" else value)
