"""How long, how many at once, what trains, and with which rate and decay."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from torch import nn
from torch.nn.utils import clip_grad_norm_, clip_grad_value_
from torch.optim import SGD

from fttrain.events import EpochEnded
from fttrain.models import build
from fttrain.optim import groups
from fttrain.spec.faults import RecipeFaults
from fttrain.spec.network import Model
from fttrain.spec.plan import GroupCard
from tests import byhand, engine
from tests.byhand import Trial

KINDS = ("sgd", "adam", "adamw", "nadam", "radam", "rmsprop")


def sgd(trial: Trial, **options: Any) -> SGD:
    return SGD(trial.net.parameters(), **{"lr": 0.05, "momentum": 0.9, **options}, foreach=True)


def assert_as_by_hand(trial: Trial, steps: int, **options: Any) -> None:
    ours = trial.ours()
    theirs = byhand.plain(trial, sgd(trial), **options)
    assert len(ours) == steps
    assert [step.loss for step in ours] == theirs
    trial.assert_same_net()


@pytest.mark.word("train", "train.epochs", "train.batch_size", "train.seed")
@pytest.mark.parametrize(
    ("epochs", "size", "seed", "steps"), [(3, 8, 0, 15), (2, 7, 5, 12), (4, 8, 2**63 - 1, 20)]
)
def test_epochs_of_batches_in_the_order_of_the_seed(
    epochs: int, size: int, seed: int, steps: int
) -> None:
    assert_as_by_hand(byhand.trial(epochs=epochs, batch_size=size, seed=seed), steps)


@pytest.mark.word("train.accumulate")
def test_batches_of_one_step_add_up_to_the_mean_over_their_images() -> None:
    trial = byhand.trial(epochs=4, accumulate=4)
    # 10 batches an epoch are 3 steps; by hand, epoch by epoch as well.
    ours = [step.loss for step in steps_by_epoch(trial)]
    optimizer = sgd(trial)
    theirs = []
    for epoch in range(1, 5):
        batches = trial.epoch(epoch)
        for at in range(0, 10, 4):
            theirs.append(byhand.gradients(trial, batches[at : at + 4]))
            optimizer.step()
            optimizer.zero_grad()
    assert ours == theirs
    assert trial.plan.steps == len(ours) == 12
    trial.assert_same_net()


def steps_by_epoch(trial: Trial) -> Iterator[Any]:
    from fttrain import loop

    done = 0
    for epoch in range(1, trial.recipe.train.epochs + 1):
        for step in loop.train(trial.training, trial.epoch(epoch), first_step=done):
            done += 1
            yield step


@pytest.mark.word("train.clip_norm")
def test_clip_norm_is_torchs() -> None:
    assert_as_by_hand(
        byhand.trial(clip_norm=0.5), 20, before_step=lambda p: clip_grad_norm_(p, 0.5)
    )


@pytest.mark.word("train.clip_value")
def test_clip_value_is_torchs_and_comes_before_clip_norm() -> None:
    assert_as_by_hand(
        byhand.trial(clip_value=0.02), 20, before_step=lambda p: clip_grad_value_(p, 0.02)
    )

    def both(parameters: list[nn.Parameter]) -> None:
        clip_grad_value_(parameters, 0.02)
        clip_grad_norm_(parameters, 0.1)

    assert_as_by_hand(byhand.trial(clip_value=0.02, clip_norm=0.1), 20, before_step=both)


@pytest.mark.word("train.max_steps")
def test_max_steps_ends_a_run_within_an_epoch_and_bends_no_schedule(tmp_path: Path) -> None:
    said = {"epochs": 4, "schedule": "cosine"}
    short = engine.digits(**said, max_steps=13)
    ended = [
        record
        for record in engine.trained(tmp_path / "short", short)
        if isinstance(record, EpochEnded)
    ]
    whole = [
        record
        for record in engine.trained(tmp_path / "whole", engine.digits(**said))
        if isinstance(record, EpochEnded)
    ]
    assert [(each.epoch, each.step) for each in ended] == [(1, 10), (2, 13)]
    assert [each.lrs for each in ended] == [each.lrs for each in whole[:2]]
    assert ended[0].val == whole[0].val
    assert ended[1].train is not None
    assert ended[1].train.count == 12


@pytest.mark.word("train.evaluate_first")
def test_evaluate_first_is_the_untrained_net_as_epoch_0(tmp_path: Path) -> None:
    def ended(place: Path, **train: Any) -> list[EpochEnded]:
        records = engine.trained(place, engine.digits(epochs=1, **train))
        return [record for record in records if isinstance(record, EpochEnded)]

    first, after = ended(tmp_path / "first", evaluate_first=True)
    (only,) = ended(tmp_path / "only")
    assert (first.epoch, first.step, first.train, first.best) == (0, 0, None, False)
    assert after.val == only.val
    # A learning rate of next to nothing leaves the net as it was.
    (same,) = ended(tmp_path / "same", optimizer={"sgd": {"lr": 1e-30}}, trains="head")
    assert first.val is not None
    assert same.val is not None
    assert first.val.loss == pytest.approx(same.val.loss, abs=1e-6)


@pytest.mark.word("train.trains")
def test_what_does_not_train_stays_bit_for_bit() -> None:
    trial = byhand.trial(trains="head")
    head = trial.training.net.head
    before = {n: p.clone() for n, p in trial.training.net.module.named_parameters()}

    trial.ours()
    for name, parameter in trial.net.named_parameters():
        parameter.requires_grad_(name.startswith(f"{head}."))
    trial.net.eval()
    trained = [p for p in trial.net.parameters() if p.requires_grad]
    byhand.plain(trial, SGD(trained, lr=0.05, momentum=0.9, foreach=True))

    after = dict(trial.training.net.module.named_parameters())
    for name, value in trial.net.named_parameters():
        assert torch.equal(after[name], before[name]) == (not name.startswith(f"{head}."))
        torch.testing.assert_close(after[name], value)


@pytest.mark.word(
    "train.groups", "train.groups.select", "train.groups.lr", "train.groups.weight_decay"
)
def test_groups_have_rates_and_decays_of_their_own() -> None:
    trial = byhand.trial(
        groups=[
            {"select": "param:bias"},
            {"select": "param:weight", "lr": 0.002, "weight_decay": 0.3},
        ],
        optimizer={"sgd": {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.01}},
    )
    named = list(trial.net.named_parameters())
    tables: list[dict[str, Any]] = [
        {"params": [p for n, p in named if n.endswith("bias")]},
        {"params": [p for n, p in named if n.endswith("weight")], "lr": 0.002, "weight_decay": 0.3},
    ]
    optimizer = SGD(tables, lr=0.05, momentum=0.9, weight_decay=0.01, foreach=True)

    steps = trial.ours()

    assert [step.loss for step in steps] == byhand.plain(trial, optimizer)
    trial.assert_same_net()


@pytest.mark.word("train.groups.lr_factor")
def test_a_group_has_so_many_times_the_rate_of_the_optimizer() -> None:
    trial = byhand.trial(
        groups=[{"select": "param:bias"}, {"select": "rest", "lr_factor": 0.4}],
        optimizer={"sgd": {"lr": 0.05, "momentum": 0.9}},
    )
    named = list(trial.net.named_parameters())
    tables: list[dict[str, Any]] = [
        {"params": [p for n, p in named if n.endswith("bias")]},
        {"params": [p for n, p in named if not n.endswith("bias")], "lr": 0.05 * 0.4},
    ]
    optimizer = SGD(tables, lr=0.05, momentum=0.9, foreach=True)

    steps = trial.ours()

    assert [step.loss for step in steps] == byhand.plain(trial, optimizer)
    trial.assert_same_net()


# --- decay of norms and biases ------------------------------------------------------------


def references(net: nn.Module, rest: float, norm: float | None, bias: float | None) -> Any:
    """Return each parameter's decay as set_weight_decay of torchvision's references gives it."""
    norms = (
        nn.modules.batchnorm._BatchNorm, nn.LayerNorm, nn.GroupNorm,
        nn.modules.instancenorm._InstanceNorm, nn.LocalResponseNorm,
    )  # fmt: skip
    decays: dict[str, float] = {}

    def add(module: nn.Module, prefix: str) -> None:
        for name, _ in module.named_parameters(recurse=False):
            whole = f"{prefix}.{name}" if prefix else name
            if bias is not None and name == "bias":
                decays[whole] = bias
            elif norm is not None and isinstance(module, norms):
                decays[whole] = norm
            else:
                decays[whole] = rest
        for name, child in module.named_children():
            add(child, f"{prefix}.{name}" if prefix else name)

    add(net, "")
    return decays


def table(name: str, **train: Any) -> list[GroupCard]:
    net = build.skeleton(Model(name=name), classes=2, channels=3)
    recipe = engine.parsed({"digits": {}}, {"name": name}, train)
    return groups.table(net, recipe.train)


@pytest.mark.word("train.norm_weight_decay", "train.bias_weight_decay")
@pytest.mark.parametrize("name", ["resnet18", "vit_b_16", "convnext_tiny"])
@pytest.mark.parametrize(("norm", "bias"), [(0.0, None), (None, 0.1), (0.0, 0.1), (None, None)])
def test_norms_and_biases_decay_as_in_torchvisions_references(
    name: str, norm: float | None, bias: float | None
) -> None:
    stated = {"norm_weight_decay": norm, "bias_weight_decay": bias}
    said = {key: value for key, value in stated.items() if value is not None}
    cards = table(name, optimizer={"adamw": {"lr": 0.1, "weight_decay": 0.5}}, **said)

    net = torchvision.models.get_model(name, num_classes=2)
    found = {member: card.weight_decay for card in cards for member in card.names}
    assert found == references(net, 0.5, norm, bias)


def test_the_group_table_shows_each_decay() -> None:
    cards = table(
        "resnet18",
        optimizer={"sgd": {"lr": 0.5, "weight_decay": 2e-5}},
        groups=[{"select": "head"}, {"select": "layer?.*", "lr": 0.1},
                {"select": ["conv1.*", "bn1.*"], "lr": 0.1}],
        norm_weight_decay=0.0,
        bias_weight_decay=1e-5,
    )  # fmt: skip
    rows = [(card.name, card.tensors, card.lr, card.weight_decay) for card in cards]
    assert rows == [
        ("head (others)", 1, 0.5, 2e-5),
        ("head (biases)", 1, 0.5, 1e-5),
        ("layer?.* (others)", 19, 0.1, 2e-5),
        ("layer?.* (norms)", 19, 0.1, 0.0),
        ("layer?.* (biases)", 19, 0.1, 1e-5),
        ("conv1.*, bn1.* (others)", 1, 0.1, 2e-5),
        ("conv1.*, bn1.* (norms)", 1, 0.1, 0.0),
        ("conv1.*, bn1.* (biases)", 1, 0.1, 1e-5),
    ]


def test_decay_apart_takes_torchs_steps() -> None:
    trial = byhand.trial(
        optimizer={"sgd": {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.2}},
        norm_weight_decay=0.0,
        bias_weight_decay=0.1,
    )
    decays = references(trial.net, 0.2, 0.0, 0.1)
    named = dict(trial.net.named_parameters())
    tables = [{"params": [p], "weight_decay": decays[name]} for name, p in named.items()]

    steps = trial.ours()
    losses = byhand.plain(trial, SGD(tables, lr=0.05, momentum=0.9, foreach=True))

    assert [step.loss for step in steps] == losses
    trial.assert_same_net()


# --- rates that follow the batch ----------------------------------------------------------

FORMULAS = {"none": 0.5, "linear": 0.5 * 32 / 1024, "sqrt": 0.5 * (32 / 1024) ** 0.5}
SHOWN = {"none": "", "linear": "0.5 x 32/1024", "sqrt": "0.5 x sqrt(32/1024)"}


def scaled(path: str) -> pytest.MarkDecorator:
    return pytest.mark.word(*(f"{path}.lr.{word}" for word in ("base", "at_batch", "scale")))


@pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=scaled(f"train.optimizer.{kind}")) for kind in KINDS],
)
@pytest.mark.parametrize("scale", FORMULAS)
def test_a_rate_follows_the_images_per_step(kind: str, scale: str) -> None:
    rate = {"base": 0.5, "at_batch": 1024, "scale": scale}
    trial = byhand.trial(batch_size=8, accumulate=4, optimizer={kind: {"lr": rate}}, epochs=1)
    (card,) = trial.plan.groups
    assert card.lr == pytest.approx(FORMULAS[scale], rel=1e-15)
    assert card.lr_origin == SHOWN[scale]
    assert trial.ours()[0].lrs == [card.lr]


@scaled("train.groups")
def test_the_rate_of_a_group_follows_it_too() -> None:
    rate = {"base": 0.5, "at_batch": 1024}
    parts = [{"select": "head", "lr": rate}, {"select": "layer?.*"}, {"select": "conv1.*"},
             {"select": "bn1.*"}]  # fmt: skip
    sqrt = {"sgd": {"lr": {**rate, "scale": "sqrt"}}}
    head, body, *_ = table("resnet18", batch_size=16, accumulate=2, groups=parts, optimizer=sqrt)
    assert (head.lr, head.lr_origin) == (FORMULAS["linear"], SHOWN["linear"])
    assert body.lr == pytest.approx(FORMULAS["sqrt"])
    assert body.lr_origin == SHOWN["sqrt"]
    assert groups.lines([head]) == [
        "group  tensors  parameters                        lr  weight decay",
        "head         2       1,026  0.015625 = 0.5 x 32/1024             0",
    ]


@pytest.mark.parametrize(
    ("said", "field", "told"),
    [
        ("fast", "", "should be a number above 0, or a map of base and at_batch, not 'fast'"),
        (-1, "", "should be greater than 0, not -1"),
        ({"base": 0.1}, ".at_batch", "is missing"),
        ({"base": 0.1, "at_batch": 8, "scal": "sqrt"}, ".scal",
         "unknown key `scal`; did you mean `scale`?"),
        ({"base": 0.1, "at_batch": 8, "scale": "cubic"}, ".scale",
         "'cubic' is not one of none, linear, sqrt"),
    ],
)  # fmt: skip
def test_rates_that_are_none_are_faults(said: Any, field: str, told: str) -> None:
    with pytest.raises(RecipeFaults) as caught:
        engine.digits(optimizer={"sgd": {"lr": said}})
    (fault,) = caught.value.faults
    assert (fault.field, fault.description) == (f"train.optimizer.sgd.lr{field}", told)
