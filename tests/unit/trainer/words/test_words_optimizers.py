"""Each optimizer and each of its options takes torch's own steps, through the loop."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_
from torch.optim import SGD, Adam, AdamW, NAdam, Optimizer, RAdam, RMSprop

from fttrain.optim.sharpness import Sharpness
from fttrain.spec.faults import RecipeFaults
from tests import byhand, engine
from tests.byhand import Trial

TORCH = {
    "sgd": SGD, "adam": Adam, "adamw": AdamW, "nadam": NAdam, "radam": RAdam, "rmsprop": RMSprop,
}  # fmt: skip
LR = 0.01
OPTIONS: list[tuple[str, dict[str, Any]]] = [
    ("sgd", {"weight_decay": 0.1}),
    ("sgd", {"momentum": 0.9}),
    ("sgd", {"momentum": 0.9, "dampening": 0.4}),
    ("sgd", {"momentum": 0.9, "nesterov": True}),
    *[
        (kind, option)
        for kind in ("adam", "adamw", "nadam", "radam")
        for option in ({"betas": [0.8, 0.95]}, {"eps": 0.01}, {"weight_decay": 0.2})
    ],
    ("adam", {"betas": [0.9, 0.5], "amsgrad": True}),
    ("adamw", {"betas": [0.9, 0.5], "amsgrad": True}),
    ("nadam", {"momentum_decay": 0.1}),
    ("nadam", {"weight_decay": 0.2, "decoupled_weight_decay": True}),
    ("radam", {"weight_decay": 0.2, "decoupled_weight_decay": True}),
    ("rmsprop", {"alpha": 0.8}),
    ("rmsprop", {"eps": 0.01}),
    ("rmsprop", {"weight_decay": 0.1}),
    ("rmsprop", {"momentum": 0.9}),
    ("rmsprop", {"centered": True}),
]


def cases() -> Iterator[Any]:
    for kind, options in [*((kind, {}) for kind in TORCH), *OPTIONS]:
        words = byhand.words(f"train.optimizer.{kind}", {"lr": LR, **options})
        name = f"{kind}-{'-'.join(options)}"
        yield pytest.param(
            kind, options, id=name, marks=pytest.mark.word("train.optimizer", *words)
        )


def torchs(kind: str, net: nn.Module, **options: Any) -> Optimizer:
    """Build torch's own optimizer with what is said, in the form that takes whole groups at once:
    its other form rounds otherwise here and there."""
    made: Optimizer = TORCH[kind](net.parameters(), **{"lr": LR, **options}, foreach=True)
    return made


@pytest.mark.parametrize(("kind", "options"), list(cases()))
def test_twenty_steps_are_torchs_bit_for_bit(kind: str, options: dict[str, Any]) -> None:
    trial = byhand.trial(optimizer={kind: {"lr": LR, **options}})

    steps = trial.ours()
    losses = byhand.plain(trial, torchs(kind, trial.net, **options))

    assert len(steps) == 20
    assert [step.loss for step in steps] == losses
    trial.assert_same_net()


@pytest.mark.parametrize(("kind", "options"), OPTIONS, ids=str)
def test_each_option_makes_a_difference(kind: str, options: dict[str, Any]) -> None:
    *_, last = options
    without = {name: value for name, value in options.items() if name != last}
    trial, other = (
        byhand.trial(optimizer={kind: {"lr": LR, **said}}) for said in (options, without)
    )

    assert trial.ours()[-1].loss != other.ours()[-1].loss


@pytest.mark.parametrize("kind", TORCH)
def test_defaults_are_torchs(kind: str) -> None:
    (group,) = byhand.trial(optimizer={kind: {"lr": LR}}).training.optimizer.param_groups
    (theirs,) = torchs(kind, nn.Linear(1, 1)).param_groups

    apart = {"params", "foreach"}
    assert {k: v for k, v in group.items() if k not in apart} == {
        k: v for k, v in theirs.items() if k not in apart
    }


def test_nesterov_without_what_it_needs_is_a_fault() -> None:
    for options, told in (
        ({"nesterov": True}, "nesterov needs a momentum above 0"),
        (
            {"nesterov": True, "momentum": 0.9, "dampening": 0.1},
            "nesterov needs a dampening of 0",
        ),
    ):
        with pytest.raises(RecipeFaults) as caught:
            engine.digits(optimizer={"sgd": {"lr": LR, **options}})
        assert str(caught.value) == f"train.optimizer.sgd: {told}"


# --- sharpness-aware minimisation ---------------------------------------------------------


def sam_by_hand(
    trial: Trial,
    optimizer: Optimizer,
    *,
    rho: float,
    adaptive: bool = False,
    accumulate: int = 1,
    clip_norm: float | None = None,
) -> list[float]:
    """Foret et al. (2021), algorithm 1; ASAM: Kwon et al. (2021), equation 8."""
    losses, batches = [], list(trial.batches())
    weights = list(trial.net.parameters())
    for at in range(0, len(batches), accumulate):
        group = batches[at : at + accumulate]
        losses.append(byhand.gradients(trial, group))
        home = [w.detach().clone() for w in weights]
        buffers = {name: value.clone() for name, value in trial.net.named_buffers()}
        with torch.no_grad():
            for w, away in zip(weights, offsets(weights, rho, adaptive), strict=True):
                w.add_(away)
        optimizer.zero_grad()
        byhand.gradients(trial, group)
        with torch.no_grad():
            for w, was in zip(weights, home, strict=True):
                w.copy_(was)
            for name, value in trial.net.named_buffers():
                value.copy_(buffers[name])
        if clip_norm is not None:
            clip_grad_norm_(weights, clip_norm)
        optimizer.step()
        optimizer.zero_grad()
    return losses


def offsets(weights: list[nn.Parameter], rho: float, adaptive: bool) -> list[Tensor]:
    """Return e(w) = rho * T^2 g / |T g|, where T is |w| in ASAM and 1 otherwise."""
    sizes = [w.detach().abs() if adaptive else torch.ones_like(w) for w in weights]
    scaled = [t * w.grad for t, w in zip(sizes, weights, strict=True) if w.grad is not None]
    length = torch.stack([each.norm() for each in scaled]).norm()
    return [rho * t * each / length for t, each in zip(sizes, scaled, strict=True)]


def sam(base: dict[str, Any], **options: Any) -> dict[str, Any]:
    return {"sam": {"base": base, **options}}


SAM = "train.optimizer.sam"


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(kind, marks=pytest.mark.word(SAM, f"{SAM}.base", f"{SAM}.base.{kind}"))
        for kind in TORCH
    ],
)
def test_sam_takes_the_step_of_the_gradient_at_the_worst_point(kind: str) -> None:
    trial = byhand.trial(optimizer=sam({kind: {"lr": 0.001}}))

    steps = trial.ours()
    losses = sam_by_hand(trial, torchs(kind, trial.net, lr=0.001), rho=0.05)

    assert [step.loss for step in steps] == pytest.approx(losses, rel=1e-4)


@pytest.mark.word(f"{SAM}.rho", f"{SAM}.adaptive")
@pytest.mark.parametrize(("rho", "adaptive"), [(0.2, False), (0.5, True)])
def test_sam_goes_as_far_as_rho_measured_by_weights_or_by_their_shares(
    rho: float, adaptive: bool
) -> None:
    trial = byhand.trial(optimizer=sam({"sgd": {"lr": LR}}, rho=rho, adaptive=adaptive))
    plain = byhand.trial(optimizer={"sgd": {"lr": LR}})

    steps = trial.ours()
    losses = sam_by_hand(trial, torchs("sgd", trial.net), rho=rho, adaptive=adaptive)

    assert [step.loss for step in steps] == pytest.approx(losses, rel=1e-4)
    assert steps[-1].loss != pytest.approx(plain.ours()[-1].loss, rel=1e-3)


def test_sam_goes_with_accumulation_and_clipping() -> None:
    trial = byhand.trial(optimizer=sam({"sgd": {"lr": LR}}), accumulate=2, clip_norm=0.1)

    steps = trial.ours()
    losses = sam_by_hand(trial, torchs("sgd", trial.net), rho=0.05, accumulate=2, clip_norm=0.1)

    assert len(steps) == 10
    assert [step.loss for step in steps] == pytest.approx(losses, rel=1e-5)


def test_the_second_pass_of_sam_moves_no_statistics_and_counts_no_batches() -> None:
    trial = byhand.trial(optimizer=sam({"sgd": {"lr": 1e-30}}), epochs=1)
    plain = byhand.trial(optimizer={"sgd": {"lr": 1e-30}}, epochs=1)

    trial.ours()
    plain.ours()

    mine, theirs = (dict(t.training.net.module.named_buffers()) for t in (trial, plain))
    assert any(name.endswith("num_batches_tracked") for name in mine)
    assert all(torch.equal(mine[name], value) for name, value in theirs.items())


def test_sam_within_sam_is_a_fault() -> None:
    with pytest.raises(RecipeFaults, match=r"sam\.base\.sam: unknown key `sam`"):
        engine.digits(optimizer=sam(sam({"sgd": {"lr": LR}})))


def test_a_gradient_that_overflows_leads_sam_nowhere() -> None:
    layer = nn.Linear(2, 1)
    before = layer.weight.detach().clone()
    layer.weight.grad = torch.tensor([[float("inf"), 1.0]])

    with Sharpness(rho=0.05, adaptive=False).worst_point(layer, list(layer.parameters())):
        assert torch.equal(layer.weight, before)
        assert layer.weight.grad is None


def test_weights_come_home_where_the_second_pass_fails() -> None:
    layer = nn.Linear(2, 1)
    before = layer.weight.detach().clone()
    layer.weight.grad = torch.ones(1, 2)

    def fail() -> None:
        with Sharpness(rho=0.05, adaptive=False).worst_point(layer, list(layer.parameters())):
            assert not torch.equal(layer.weight, before)
            raise ValueError("the pass failed")

    with pytest.raises(ValueError, match="the pass failed"):
        fail()
    assert torch.equal(layer.weight, before)
