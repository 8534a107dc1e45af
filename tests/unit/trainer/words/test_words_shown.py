"""What a run shows of its net at its end, each against what its files say."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from fttrain import predict
from fttrain.data import sources
from fttrain.data.view import normalise
from fttrain.insight import guided
from fttrain.pictures import filters, kinds
from fttrain.pictures.look import Look
from fttrain.pictures.sheet import unpacked
from fttrain.spec.recipe import Recipe
from tests import engine

SHOWN = ("mistakes", "filters", "features", "guided_backprop")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Recipe]:
    """Return the run directory of a run that shows everything, and its recipe."""
    recipe = engine.parsed(
        {"digits": {"labels_per_class": 4}}, {"cnn": {"channels": [6, 12]}}, {},
        outputs=list(SHOWN),
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("runs") / "run"
    engine.trained(folder, recipe)
    return folder, recipe


def body(run_dir: Path, kind: str) -> Any:
    return json.loads((run_dir / "artifacts" / f"{kind}.json").read_text())


@pytest.mark.word("outputs")
@pytest.mark.parametrize("kind", SHOWN)
def test_each_picture_is_left_with_the_numbers_that_draw_it_again(
    run: tuple[Path, Recipe], kind: str
) -> None:
    with Image.open(run[0] / "artifacts" / f"{kind}.png") as image:
        assert image.format == "PNG"

    again = kinds.draw(kind, [body(run[0], kind)], Look())

    assert again == (run[0] / "artifacts" / f"{kind}.png").read_bytes()


@pytest.mark.word("outputs")
def test_mistakes_are_the_wrong_ones_with_the_loss_that_the_exported_model_has(
    run: tuple[Path, Recipe],
) -> None:
    told, verdicts = body(run[0], "mistakes"), (run[0] / "artifacts/verdicts.csv").read_text()
    rows = {row["image"]: row for row in csv.DictReader(io.StringIO(verdicts))}
    trained, source = predict.read(run[0]), sources.load(run[1].data)
    numbers = {source.val.name(index): index for index in range(len(source.val))}

    assert told["wrong"] == sum(row["label"] != row["predicted"] for row in rows.values()) > 0
    losses = [tile["loss"] for tile in told["tiles"]]
    assert losses == sorted(losses, reverse=True)
    for tile in told["tiles"][:8]:
        row = rows[tile["name"]]
        assert (tile["label"], tile["predicted"]) == (row["label"], row["predicted"])
        assert tile["probability"] == float(row["confidence"])
        pixels = torch.from_numpy(source.val.image(numbers[tile["name"]])).permute(2, 0, 1)[None]
        with torch.no_grad():
            logits = trained.net(normalise(pixels, trained.card.preprocess))
        wanted = torch.tensor([trained.card.classes.index(tile["label"])])
        loss = torch.nn.functional.cross_entropy(logits, wanted).item()
        assert tile["loss"] == pytest.approx(loss, rel=1e-4)
        assert unpacked(tile["png"]).tolist() == pixels[0, 0].tolist()


@pytest.mark.word("outputs")
def test_filters_are_the_weights_of_the_exported_model(run: tuple[Path, Recipe]) -> None:
    told, net = body(run[0], "filters"), predict.read(run[0]).net

    assert (told["layer"], told["filters"]) == ("features.0.0", 6)
    assert filters.weights(told).tolist() == net.get_submodule("features.0.0").weight.tolist()


@pytest.mark.word("outputs")
def test_features_are_maps_of_an_image_that_is_right(run: tuple[Path, Recipe]) -> None:
    told, trained, source = body(run[0], "features"), predict.read(run[0]), run[1]
    val = sources.load(source.data).val
    index = next(i for i in range(len(val)) if val.name(i) == told["image"]["name"])
    pixels = torch.from_numpy(val.image(index)).permute(2, 0, 1)[None]

    assert told["image"]["label"] == told["image"]["predicted"]
    with torch.no_grad():
        made = trained.net.features[0](normalise(pixels, trained.card.preprocess))[0]
    first = told["layers"][0]
    assert (first["channels"], first["height"], first["width"]) == tuple(made.shape)
    for each in first["maps"]:
        values = made[each["channel"]].numpy()
        assert each["high"] == pytest.approx(values.max(), rel=1e-5)
        shown = each["low"] + unpacked(each["png"]) / 255 * (each["high"] - each["low"])
        assert np.abs(shown - values).max() <= (each["high"] - each["low"]) / 255 + 1e-5


@pytest.mark.word("outputs")
def test_neurons_are_those_that_their_images_excite_and_what_speaks_for_them(
    run: tuple[Path, Recipe],
) -> None:
    told, trained = body(run[0], "guided_backprop"), predict.read(run[0])
    val = sources.load(run[1].data).val

    assert (told["layer"], told["norm"]) == ("features.1.0", "features.1.1")
    assert 0 < len(told["neurons"]) <= 10
    for each in told["neurons"]:
        index = next(i for i in range(len(val)) if val.name(i) == each["name"])
        pixels = torch.from_numpy(val.image(index)).permute(2, 0, 1)[None]
        given = normalise(pixels, trained.card.preprocess).requires_grad_(True)
        blocks = trained.net.features
        value = blocks[1][1](blocks[1][0](blocks[0](given)))
        neuron = value[0, each["channel"], each["row"], each["column"]]
        assert neuron.item() == pytest.approx(each["value"], rel=1e-4)
        assert neuron == value[0, each["channel"]].max()
        # By hand: one ReLU lies before it, behind which the gradient must be positive.
        hidden = blocks[0][1](blocks[0][0](given))
        rest = blocks[0][3](hidden.relu()) if len(blocks[0]) > 3 else hidden.relu()
        above = blocks[1][1](blocks[1][0](rest))[0, each["channel"], each["row"], each["column"]]
        (coming,) = torch.autograd.grad(above, rest, retain_graph=True)
        if len(blocks[0]) > 3:
            relued = hidden.detach().relu().requires_grad_(True)
            (coming,) = torch.autograd.grad(blocks[0][3](relued), relued, coming)
        (expected,) = torch.autograd.grad(hidden, given, coming.clamp(min=0) * (hidden > 0))
        pixels_, scale = guided.shaded(expected[0], side=168)
        assert scale == pytest.approx(each["scale"], rel=1e-3)
        assert np.abs(pixels_[..., 0].astype(int) - unpacked(each["gradient"])).max() <= 1
