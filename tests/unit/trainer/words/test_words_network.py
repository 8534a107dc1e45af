"""The net, its weights and its head are what torch and torchvision make of the same words."""

from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn

from fttrain import generator, predict
from fttrain.artifacts import export
from fttrain.data import decode
from fttrain.data.view import EvalView, normalise
from fttrain.models import build
from fttrain.models.zoo import Net
from fttrain.spec.network import Model
from tests import engine
from tests.photos import make_photo_folder

IMAGES = torch.rand((4, 3, 32, 32), generator=torch.Generator().manual_seed(0))


def net(**said: Any) -> Net:
    return build.fresh(Model.model_validate(said), classes=3, channels=3, seed=5)


def outputs(module: nn.Module) -> Tensor:
    """Return logits in eval mode."""
    with torch.no_grad():
        logits: Tensor = module.eval()(IMAGES)
        return logits


@pytest.mark.word("model", "model.name")
@pytest.mark.parametrize("name", ["resnet18", "squeezenet1_1", "shufflenet_v2_x0_5"])
def test_a_name_is_the_net_that_torchvision_builds_after_the_same_seed(name: str) -> None:
    generator.reseed(generator.derive(5, "init"))
    theirs = getattr(torchvision.models, name)(num_classes=3)
    assert torch.equal(outputs(net(name=name).module), outputs(theirs))


def by_hand(widths: list[int], pool: int, dropout: float) -> nn.Module:
    layers: list[nn.Module] = []
    for place, (before, after) in enumerate(zip([3, *widths], widths, strict=False)):
        layers += [nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after)]
        layers += [nn.ReLU(), *([nn.MaxPool2d(2)] if place < pool else [])]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout), nn.Linear(widths[-1], 3)]
    return nn.Sequential(*layers, *head)


@pytest.mark.word("model.cnn", "model.cnn.channels", "model.cnn.pool", "model.cnn.dropout")
@pytest.mark.parametrize(
    ("widths", "pool", "dropout"), [([16, 32, 64], 2, 0.0), ([4], 0, 0.5), ([4, 8], 2, 0.25)]
)
def test_a_cnn_is_its_layers_written_out(widths: list[int], pool: int, dropout: float) -> None:
    ours = net(cnn={"channels": widths, "pool": pool, "dropout": dropout}).module.train()
    generator.reseed(generator.derive(5, "init"))
    theirs = by_hand(widths, pool, dropout).train()
    torch.manual_seed(1)
    ours_trained = ours(IMAGES)
    torch.manual_seed(1)
    assert torch.equal(ours_trained, theirs(IMAGES))
    assert torch.equal(outputs(ours), outputs(theirs))


ACTIVATIONS: dict[str, nn.Module] = {
    "leaky_relu": nn.LeakyReLU(), "relu": nn.ReLU(), "gelu": nn.GELU(), "elu": nn.ELU(),
    "silu": nn.SiLU(), "tanh": nn.Tanh(), "sigmoid": nn.Sigmoid(),
}  # fmt: skip


def rn_by_hand(blocks: int, act: nn.Module, dropout: float) -> nn.Module:
    def block() -> nn.Module:
        return Added(
            nn.Conv2d(16, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32), act,
            nn.Conv2d(32, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16),
        )  # fmt: skip

    layers: list[nn.Module] = [nn.Dropout2d(dropout), nn.Conv2d(3, 16, 1, bias=False)]
    layers += [block() for _ in range(blocks)]
    for before, after in ((16, 64), (64, 64), (64, 32)):
        layers += [nn.Conv2d(before, after, 3, padding=1, bias=False), act, nn.MaxPool2d(3, 3)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(32, 3))


class Added(nn.Module):
    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        added: Tensor = x + self.layers(x)
        return added


@pytest.mark.word("model.rn", "model.rn.blocks", "model.rn.activation", "model.rn.dropout")
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(("blocks", "dropout"), [(1, 0.0), (3, 0.5)])
def test_an_rn_is_its_layers_written_out(blocks: int, dropout: float, activation: str) -> None:
    said = {"blocks": blocks, "activation": activation, "dropout": dropout}
    ours = net(rn=said).module.train()
    generator.reseed(generator.derive(5, "init"))
    theirs = rn_by_hand(blocks, ACTIVATIONS[activation], dropout).train()
    torch.manual_seed(1)
    ours_trained = ours(IMAGES)
    torch.manual_seed(1)
    assert torch.equal(ours_trained, theirs(IMAGES))
    assert torch.equal(outputs(ours), outputs(theirs))


@pytest.mark.parametrize(("blocks", "count"), [(4, 102_138), (8, 139_386), (16, 213_882)])
def test_an_rn_has_the_parameters_that_its_author_counted(blocks: int, count: int) -> None:
    model = Model.model_validate({"rn": {"blocks": blocks}})
    module = build.skeleton(model, classes=10, channels=3).module
    assert sum(parameter.numel() for parameter in module.parameters()) == count


LAYERS: list[tuple[Any, nn.Module, int]] = [
    ({"linear": 6}, nn.Linear(64, 6), 6),
    ("relu", nn.ReLU(), 64),
    ("gelu", nn.GELU(), 64),
    ("silu", nn.SiLU(), 64),
    ("hardswish", nn.Hardswish(), 64),
    ("tanh", nn.Tanh(), 64),
    ({"dropout": 0.2}, nn.Dropout(0.2), 64),
    ("dropout", nn.Dropout(0.5), 64),
    ("batch_norm", nn.BatchNorm1d(64), 64),
    ("layer_norm", nn.LayerNorm(64), 64),
]


@pytest.mark.word(
    "model.head.linear", "model.head.linear.width", "model.head.relu", "model.head.gelu",
    "model.head.silu", "model.head.hardswish", "model.head.tanh", "model.head.dropout",
    "model.head.dropout.p", "model.head.batch_norm", "model.head.layer_norm",
)  # fmt: skip
@pytest.mark.parametrize(("said", "layer", "width"), LAYERS)
def test_a_layer_of_a_head_is_that_of_torch(said: Any, layer: nn.Module, width: int) -> None:
    ours = net(cnn={}, head=[said])
    theirs = nn.Sequential(layer, nn.Linear(width, 3))
    theirs.load_state_dict(ours.head_layer.state_dict())
    torch.manual_seed(0)
    features = torch.randn(5, 64)
    for mode in (True, False):
        torch.manual_seed(1)
        seen = ours.head_layer.train(mode)(features)
        torch.manual_seed(1)
        assert torch.equal(seen, theirs.train(mode)(features))


@pytest.mark.word("model.head")
@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small", "squeezenet1_1", "densenet121"])
def test_a_listed_head_has_the_initial_values_of_torch_after_the_same_seed(name: str) -> None:
    said = [{"linear": 7}, "gelu", {"dropout": 0.2}]
    model = Model.model_validate({"name": name, "head": said})
    whole = build.fresh(model, classes=3, channels=3, seed=1)
    state = whole.module.state_dict()
    kept = {n: t for n, t in state.items() if not n.startswith(f"{whole.head}.")}
    width = next(layer.in_features for layer in linear(whole))

    ours = build.loaded(model, classes=3, channels=3, tensors=kept, seed=9)
    generator.reseed(generator.derive(9, "head"))
    theirs = [nn.Linear(width, 7), nn.Linear(7, 3)]

    pairs = list(zip(linear(ours), theirs, strict=True))
    assert all(torch.equal(one.weight, other.weight) for one, other in pairs)
    assert all(torch.equal(one.bias, other.bias) for one, other in pairs)
    assert outputs(ours.module).shape == (4, 3)


def linear(whole: Net) -> list[nn.Linear]:
    return [layer for layer in whole.head_layer.children() if isinstance(layer, nn.Linear)]


@pytest.mark.word("model.weights", "model.head")
def test_a_net_starts_from_its_weights_and_ends_as_a_model_with_its_head(tmp_path: Path) -> None:
    root = make_photo_folder(tmp_path / "photos")
    file = tmp_path / "weights.pt"
    torch.manual_seed(0)
    theirs = torchvision.models.squeezenet1_1(num_classes=5)
    torch.save(theirs.state_dict(), file)
    head = [{"linear": 8}, "batch_norm", "relu", {"dropout": 0.2}]
    model = {"name": "squeezenet1_1", "weights": f"file:{file}", "head": head}
    recipe = engine.photos(root, model, trains="head", epochs=1)
    plan = engine.planned(recipe)

    engine.trained(tmp_path / "first", recipe, plan)

    state = export.read_model(tmp_path / "first/artifacts/model.safetensors")[0]
    same = {n: t for n, t in theirs.state_dict().items() if n.startswith("features.")}
    assert all(torch.equal(state[n], t) for n, t in same.items())
    assert plan.parameters_trained == 512 * 8 + 8 + 2 * 8 + 2 * 8 + 2
    by_hand = nn.Sequential(
        theirs.features, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 8),
        nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 2),
    )  # fmt: skip
    renamed = {
        n.replace("features.", "0.").replace("classifier.1.", ""): t for n, t in state.items()
    }
    shifted = {
        (n if n.startswith("0.") else f"{int(n[0]) + 1}{n[1:]}"): t for n, t in renamed.items()
    }
    by_hand.load_state_dict(shifted)
    photo = sorted((root / "val").rglob("*.*"))[0]
    (told,) = predict.predict(tmp_path / "first", [photo])
    pixels = EvalView(plan.preprocess.steps)(decode.picture(photo))[None]
    with torch.no_grad():
        expected = by_hand.eval()(normalise(pixels, plan.preprocess.steps)).softmax(1)[0]
    assert told.scores == pytest.approx(expected.tolist(), abs=1e-6)

    # Another job goes on from it: with the same layers the head stays, with others it is new.
    best = str(tmp_path / "first" / "checkpoints" / "best.safetensors")
    again = {**model, "weights": "job:first/best"}
    on = engine.planned(engine.photos(root, again), **{"job:first/best": best})
    assert (on.weights.head, on.weights.tensors_new) == ("kept", [])
    for other in ("auto", [{"linear": 9}]):
        changed = engine.photos(root, {**again, "head": other}, epochs=1, trains="head")
        made = engine.planned(changed, **{"job:first/best": best})
        assert made.weights.head == "new"
        engine.trained(tmp_path / f"second-{len(str(other))}", changed, made)
    keep = engine.photos(root, {**again, "head": "keep"})
    assert engine.refused(keep, {"job:first/best": best}) == {
        "model.head": "cannot keep the head: that of `job:first/best` has layers of its own; list "
        "the same under `head`"
    }
