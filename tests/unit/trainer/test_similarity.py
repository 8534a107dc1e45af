"""How alike two nets are: by numpy's formulas, by what must hold, and of real runs."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from fttrain import predict, similarity
from fttrain.data import sources
from fttrain.data.view import normalise
from fttrain.insight import alike, likeness
from fttrain.pictures.look import Look
from fttrain.spec import rundir
from fttrain.spec.recipe import Recipe
from tests import engine

SEEDS = st.integers(0, 2**32 - 1)


# --- formulas -----------------------------------------------------------------------------------


def numpy_cka(x: np.ndarray, y: np.ndarray) -> float:
    """Return it by the formula of Kornblith et al. over features, where ours is over images."""
    x, y = x - x.mean(0), y - y.mean(0)
    cross = np.linalg.norm(y.T @ x, "fro") ** 2
    return float(cross / np.linalg.norm(x.T @ x, "fro") / np.linalg.norm(y.T @ y, "fro"))


@given(SEEDS, st.integers(2, 40), st.integers(1, 30), st.integers(1, 30))
@settings(max_examples=60, deadline=None)
def test_cka_is_that_of_the_formula(seed: int, images: int, wide: int, other: int) -> None:
    chance = np.random.default_rng(seed)
    x, y = chance.normal(size=(images, wide)), chance.normal(size=(images, other))

    assert likeness.cka(x, y) == pytest.approx(numpy_cka(x, y), abs=1e-9)
    assert likeness.cka(x, y) == pytest.approx(likeness.cka(y, x) or 0.0, abs=1e-12)


@given(SEEDS, st.floats(1e-3, 1e3))
@settings(max_examples=40, deadline=None)
def test_no_rotation_scale_or_shift_changes_cka(seed: int, scale: float) -> None:
    chance = np.random.default_rng(seed)
    x, y = chance.normal(size=(24, 9)), chance.normal(size=(24, 7))
    turned, _ = np.linalg.qr(chance.normal(size=(9, 9)))

    moved = likeness.cka(scale * x @ turned + chance.normal(size=9), y)

    assert moved == pytest.approx(likeness.cka(x, y), rel=1e-8)
    assert likeness.cka(x, scale * x @ turned) == pytest.approx(1.0)


@given(SEEDS)
@settings(max_examples=40, deadline=None)
def test_cosine_and_relative_difference_are_those_of_numpy(seed: int) -> None:
    chance = np.random.default_rng(seed)
    a, b = chance.normal(size=(3, 4)), chance.normal(size=(3, 4))

    expected = (a * b).sum() / np.sqrt((a**2).sum() * (b**2).sum())
    assert likeness.cosine(a, b) == pytest.approx(expected, abs=1e-12)
    moved = np.sqrt(((a - b) ** 2).sum()) / np.sqrt((a**2).sum())
    assert likeness.relative_l2(a, b) == pytest.approx(moved)
    assert likeness.cosine(a, a) == pytest.approx(1.0)
    assert likeness.relative_l2(a, a) == 0.0


def test_what_has_no_direction_and_no_length_is_not_said() -> None:
    nothing, something = np.zeros(3), np.ones(3)

    assert likeness.cosine(nothing, something) is None
    assert likeness.relative_l2(nothing, something) is None
    assert likeness.relative_l2(something, nothing) == 1.0
    assert likeness.cka(np.ones((5, 2)), np.random.default_rng(0).normal(size=(5, 2))) is None


@pytest.mark.parametrize(
    ("layer", "shape", "wanted"),
    [
        (nn.Conv2d(3, 4, 1), (2, 4, 5, 6), (2, 3)),
        (nn.BatchNorm2d(4), (2, 4, 5, 6), (2, 3)),
        (nn.LayerNorm(4), (2, 5, 6, 4), (1, 2)),
        (nn.Linear(3, 4), (2, 5, 4), (1,)),
        (nn.Linear(3, 4), (2, 4), ()),
    ],
)
def test_features_are_the_mean_over_positions_wherever_channels_lie(
    layer: nn.Module, shape: tuple[int, ...], wanted: tuple[int, ...]
) -> None:
    made = torch.randn(shape)

    expected = made.mean(wanted) if wanted else made

    torch.testing.assert_close(alike.averaged(layer, made), expected)


# --- runs -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Recipe]:
    """Return the run directories of two runs that differ by their seed, and the first recipe."""
    folder = tmp_path_factory.mktemp("runs")
    recipes = [
        engine.parsed(
            {"digits": {"labels_per_class": 4}}, {"cnn": {"channels": [4, 8]}}, {"seed": seed}
        )
        for seed in (0, 1)
    ]
    for number, recipe in enumerate(recipes):
        engine.trained(folder / str(number), recipe)
    return folder / "0", folder / "1", recipes[0]


def asked(folder: Path, first: Path, second: Path, **more: Any) -> dict[str, Any]:
    """Have the comparer's main do a request; return what it leaves."""
    folder.mkdir(exist_ok=True)
    request = {"images": 50, "picture": False, "threads": 1, **more}
    for name, run in (("first", first), ("second", second)):
        net = str(run / more.get("net", rundir.MODEL))
        request[name] = {"title": f"{run.name}/best", "run_dir": str(run), "net": net}
    (folder / similarity.REQUEST).write_text(json.dumps(request))
    body = similarity.compared(
        *(similarity.Given.read(request[name]) for name in ("first", "second")), request["images"]
    )
    return json.loads(json.dumps(body))


def test_a_net_is_wholly_like_itself(tmp_path: Path, runs: tuple[Path, Path, Recipe]) -> None:
    told = asked(tmp_path, runs[0], runs[0])

    assert (told["images"], told["only_first"], told["only_second"]) == (50, [], [])
    assert {layer["name"] for layer in told["layers"]} >= {"features.0.0", "features.0.1", "head"}
    for layer in told["layers"]:
        assert layer["weight_cosine"] == pytest.approx(1.0)
        assert layer["bias_cosine"] in (None, pytest.approx(1.0))
        assert layer["relative_l2"] == 0.0
        assert layer["cka"] == pytest.approx(1.0)
    assert told["layers"][0]["bias_cosine"] is None  # its convolution has none
    assert told["layers"][1]["bias_cosine"] is not None


def test_two_nets_are_as_alike_as_numpy_says(
    tmp_path: Path, runs: tuple[Path, Path, Recipe]
) -> None:
    told = asked(tmp_path, runs[0], runs[1])

    first, second = (predict.read(run) for run in runs[:2])
    named = {layer["name"]: layer for layer in told["layers"]}
    a, b = (each.net.get_submodule("head") for each in (first, second))
    w, v = (each.weight.detach().double().numpy().ravel() for each in (a, b))
    p, q = (each.bias.detach().double().numpy() for each in (a, b))
    head = named["head"]
    assert head["weight_cosine"] == pytest.approx(w @ v / np.linalg.norm(w) / np.linalg.norm(v))
    assert head["bias_cosine"] == pytest.approx(p @ q / np.linalg.norm(p) / np.linalg.norm(q))
    ours, theirs = np.concatenate([p, w]), np.concatenate([q, v])
    moved = np.linalg.norm(theirs - ours) / np.linalg.norm(ours)
    assert head["relative_l2"] == pytest.approx(moved)
    assert head["parameters"] == a.weight.numel() + a.bias.numel()
    val = sources.load(runs[2].data).val
    places = np.arange(50) * len(val) // 50
    images = torch.from_numpy(np.stack([val.image(i) for i in places])).permute(0, 3, 1, 2)
    features = []
    for each in (first, second):
        with torch.no_grad():
            made = each.net.get_submodule("features")[0][0](normalise(images, each.card.preprocess))
        features.append(made.mean((2, 3)).double().numpy())
    assert named["features.0.0"]["cka"] == pytest.approx(numpy_cka(*features), rel=1e-4)


def test_memory_is_bounded_by_passes_that_change_nothing(
    tmp_path: Path, runs: tuple[Path, Path, Recipe], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = asked(tmp_path / "whole", runs[0], runs[1])

    monkeypatch.setattr(alike, "MOST_BYTES", 3000)
    passes: list[list[str]] = []
    collected = alike._collected

    def counted(side: Any, names: Any) -> Any:
        passes.append(list(names))
        return collected(side, names)

    monkeypatch.setattr(alike, "_collected", counted)
    parted = asked(tmp_path / "parted", runs[0], runs[1])

    assert parted == whole
    assert len(passes) > 4


def test_last_checkpoints_are_compared_as_well(
    tmp_path: Path, runs: tuple[Path, Path, Recipe]
) -> None:
    told = asked(tmp_path, runs[0], runs[1], net=rundir.LAST)

    assert (told["first"]["epoch"], told["images"]) == (2, 50)


def test_layers_of_one_alone_and_other_shapes_are_listed(
    tmp_path: Path, runs: tuple[Path, Path, Recipe]
) -> None:
    recipe = engine.parsed(
        {"digits": {"labels_per_class": 4}},
        {"cnn": {"channels": [4, 8]}, "head": [{"linear": 6}, "gelu"]},
        {"epochs": 1},
    )
    engine.trained(tmp_path / "2", recipe)

    told = asked(tmp_path / "asked", runs[0], tmp_path / "2")

    assert told["only_first"] == ["head"]
    assert told["only_second"] == ["head.0", "head.2"]
    assert [layer["name"] for layer in told["layers"]] == [
        "features.0.0", "features.0.1", "features.1.0", "features.1.1",
    ]  # fmt: skip


def test_nets_of_other_architectures_are_refused_by_name(
    tmp_path: Path, runs: tuple[Path, Path, Recipe]
) -> None:
    recipe = engine.parsed(
        {"digits": {"labels_per_class": 4}}, {"cnn": {"channels": [4]}}, {"epochs": 1}
    )
    engine.trained(tmp_path / "2", recipe)

    with pytest.raises(similarity.OtherArchitecture) as other:
        asked(tmp_path / "asked", runs[0], tmp_path / "2")

    assert str(other.value) == (
        "0/best is cnn (channels [4, 8], pool 2), 2/best is cnn (channels [4], pool 2): layers are "
        "compared of nets of one architecture"
    )


def test_where_images_are_gone_parameters_are_compared_alone(
    tmp_path: Path, runs: tuple[Path, Path, Recipe], monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: Any) -> None:
        raise similarity.BadData("the data has changed since the plan")

    monkeypatch.setattr(similarity.evaluation, "images", gone)

    told = asked(tmp_path, runs[0], runs[1])

    assert told["images"] == 0
    assert told["notices"] == ["features are not compared: the data has changed since the plan"]
    assert all(layer["cka"] is None for layer in told["layers"])
    assert all(layer["weight_cosine"] is not None for layer in told["layers"])
    assert similarity.similarity.draw([told], Look()).startswith(b"\x89PNG")


def test_a_run_of_another_version_is_told(
    tmp_path: Path, runs: tuple[Path, Path, Recipe], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.nice", lambda _: 0)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    shutil.copytree(runs[1], tmp_path / "old")
    (tmp_path / "old/plan.json").write_text('{"format": 0}')
    sides = {"first": runs[0], "second": tmp_path / "old"}
    request: dict[str, Any] = {"images": 9, "picture": False, "threads": 1}
    for name, run in sides.items():
        request[name] = {"title": name, "run_dir": str(run), "net": str(run / rundir.MODEL)}
    (tmp_path / similarity.REQUEST).write_text(json.dumps(request))

    assert similarity.main(tmp_path) == 0

    told = json.loads((tmp_path / similarity.FAULT).read_text())
    assert told["kind"] == "model"
    assert told["why"].startswith(f"{tmp_path}/old was written by another version of finetuned: ")


@pytest.mark.parametrize("layers", [1, 5, 160, 600])
def test_a_comparison_of_any_depth_is_drawn(layers: int) -> None:
    chance = np.random.default_rng(layers)
    rows = [
        {
            "name": f"features.{number}.conv_$_{number}", "type": "Conv2d", "parameters": 9,
            "bias_cosine": None if number % 2 else float(chance.uniform(-1, 1)),
            "weight_cosine": float(chance.uniform(0, 1)),
            "relative_l2": float(chance.uniform(0, 3)), "cka": float(chance.uniform(0, 1)),
        }
        for number in range(layers)
    ]  # fmt: skip
    side = {"title": "ants/best", "epoch": 3}
    body = {"architecture": "x", "first": side, "second": side, "images": 128, "layers": rows}

    drawn = similarity.similarity.draw([body], Look())

    assert drawn.startswith(b"\x89PNG")
    assert len(drawn) < 4 * 2**20
