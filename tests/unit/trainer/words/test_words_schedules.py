"""Each schedule and each of its options is torch's, by any numbers and after any resume."""

import copy
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.optim import SGD, AdamW, Optimizer
from torch.optim import lr_scheduler as theirs
from torch.optim.lr_scheduler import LinearLR, LRScheduler, SequentialLR

from fttrain.optim.schedules import Course, lr, momentum
from fttrain.spec.faults import RecipeFaults
from fttrain.spec.schedules import OneCycle, Schedule, Warmup
from tests import byhand, engine

TOLERANCE = 1e-12
Make = Callable[[Optimizer, int], LRScheduler]
"""From an optimizer and the length of the run, without the warm-up, to torch's scheduler."""

counts, gammas = st.integers(1, 12), st.floats(0.01, 1.0)
lowest = st.floats(0.0, 0.01)


def step(draw: Any) -> tuple[dict[str, Any], Make]:
    every, gamma = draw(counts), draw(gammas)
    return {"every": every, "gamma": gamma}, lambda o, _: theirs.StepLR(o, every, gamma)


def multi_step(draw: Any) -> tuple[dict[str, Any], Make]:
    at, gamma = sorted(draw(st.sets(st.integers(1, 40), min_size=1, max_size=5))), draw(gammas)
    return {"milestones": at, "gamma": gamma}, lambda o, _: theirs.MultiStepLR(o, at, gamma)


def exponential(draw: Any) -> tuple[dict[str, Any], Make]:
    gamma = draw(st.floats(0.5, 1.02))
    return {"gamma": gamma}, lambda o, _: theirs.ExponentialLR(o, gamma)


def polynomial(draw: Any) -> tuple[dict[str, Any], Make]:
    total, power = draw(st.none() | st.integers(1, 40)), draw(st.floats(0.5, 3.0))
    options = {"power": power, **({"total_iters": total} if total else {})}
    return options, lambda o, whole: theirs.PolynomialLR(o, total or whole, power)


def cosine(draw: Any) -> tuple[dict[str, Any], Make]:
    t_max, eta_min = draw(st.none() | st.integers(1, 40)), draw(lowest)
    options = {"eta_min": eta_min, **({"t_max": t_max} if t_max else {})}
    return options, lambda o, whole: theirs.CosineAnnealingLR(o, t_max or whole, eta_min)


def warm_restarts(draw: Any) -> tuple[dict[str, Any], Make]:
    t_0, t_mult, eta_min = draw(counts), draw(st.integers(1, 3)), draw(lowest)
    options = {"t_0": t_0, "t_mult": t_mult, "eta_min": eta_min}
    return options, lambda o, _: theirs.CosineAnnealingWarmRestarts(o, t_0, t_mult, eta_min)


def constant(_: Any) -> tuple[dict[str, Any], Make]:
    return {}, lambda o, _: theirs.ConstantLR(o, factor=1.0)


DRAWN = {
    "step": step, "multi_step": multi_step, "exponential": exponential, "polynomial": polynomial,
    "cosine": cosine, "warm_restarts": warm_restarts, "constant": constant,
}  # fmt: skip
WORDS = {
    "step": ("every", "gamma", "by"),
    "multi_step": ("milestones", "gamma", "by"),
    "exponential": ("gamma", "by"),
    "polynomial": ("total_iters", "power", "by"),
    "cosine": ("t_max", "eta_min", "by"),
    "warm_restarts": ("t_0", "t_mult", "eta_min", "by"),
    "constant": (),
}


def each_schedule() -> Iterator[Any]:
    for name, options in WORDS.items():
        path = f"train.schedule.{name}"
        words = byhand.words(path, dict.fromkeys(options))
        yield pytest.param(name, id=name, marks=pytest.mark.word("train.schedule", *words))


def optimizer(base: float) -> SGD:
    return SGD([torch.nn.Parameter(torch.zeros(1))], lr=base, momentum=0.5)


def rates(o: Optimizer, scheduler: LRScheduler, count: int) -> list[float]:
    """Return the learning rates of so many strides, as torchvision's references take them."""
    found = []
    for _ in range(count):
        found.append(float(o.param_groups[0]["lr"]))
        o.step()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The epoch parameter")
            scheduler.step()
    return found


def strides(course: Course, by: str) -> list[float]:
    """Return our rate at the first step of each stride, after checking that it holds through."""
    every = [lr(1.0, at, course) for at in range(course.steps)]
    size = 1 if by == "step" else course.steps_per_epoch
    parts = [every[at : at + size] for at in range(0, len(every), size)]
    assert all(set(part) == {part[0]} for part in parts)
    return [part[0] for part in parts]


@pytest.mark.parametrize("name", list(each_schedule()))
@pytest.mark.parametrize("by", ["epoch", "step"])
def test_a_schedule_is_torchs_also_after_a_resume(name: str, by: str) -> None:
    @settings(deadline=None, max_examples=40)
    @given(data=st.data(), epochs=st.integers(2, 20), per_epoch=st.integers(1, 4))
    def holds(data: st.DataObject, epochs: int, per_epoch: int) -> None:
        options, make = DRAWN[name](data.draw)
        said = options if name == "constant" else {**options, "by": by}
        course = Course(
            schedule=Schedule.model_validate({name: said}),
            warmup=None,
            epochs=epochs,
            steps_per_epoch=per_epoch,
        )
        unit = "epoch" if name == "constant" else by
        whole = course.steps if unit == "step" else epochs
        cut = data.draw(st.integers(1, whole - 1))

        first = optimizer(1.0)
        before = make(first, whole)
        expected = rates(first, before, cut)
        # The process ends; another one reads what was saved.
        state = copy.deepcopy((first.state_dict(), before.state_dict()))
        second = optimizer(1.0)
        after = make(second, whole)
        second.load_state_dict(state[0])
        after.load_state_dict(state[1])
        expected += rates(second, after, whole - cut)

        assert strides(course, unit) == pytest.approx(expected, rel=0, abs=TOLERANCE)

    holds()


@pytest.mark.word("train.warmup", "train.warmup.epochs", "train.warmup.steps", "train.warmup.start")
@pytest.mark.parametrize("name", DRAWN)
@pytest.mark.parametrize("unit", ["epochs", "steps"])
def test_a_warmup_before_any_schedule_is_torchs_sequential(name: str, unit: str) -> None:
    @settings(deadline=None, max_examples=25)
    @given(
        data=st.data(),
        warm=st.integers(1, 6),
        start=st.floats(0.001, 1.0),
        after=st.integers(1, 12),
        per_epoch=st.integers(1, 4),
    )
    def holds(data: st.DataObject, warm: int, start: float, after: int, per_epoch: int) -> None:
        options, make = DRAWN[name](data.draw)
        by = "epoch" if unit == "epochs" else "step"
        said = options if name == "constant" else {**options, "by": by}
        epochs = warm + after
        course = Course(
            schedule=Schedule.model_validate({name: said}),
            warmup=Warmup.model_validate({unit: warm, "start": start}),
            epochs=epochs,
            steps_per_epoch=per_epoch,
        )
        whole = epochs if by == "epoch" else course.steps
        o = optimizer(1.0)
        linear = LinearLR(o, start_factor=start, total_iters=warm)
        sequence = SequentialLR(o, [linear, make(o, whole - warm)], milestones=[warm])

        expected = rates(o, sequence, whole)
        assert strides(course, by) == pytest.approx(expected, rel=0, abs=TOLERANCE)

    holds()


# --- one cycle ----------------------------------------------------------------------------

CYCLE = byhand.words("train.schedule.one_cycle", OneCycle.model_fields)
cycles = st.fixed_dictionaries(
    {
        "max_factor": st.floats(0.1, 10.0),
        "pct_start": st.floats(0.05, 0.5),
        "div_factor": st.floats(1.0, 100.0),
        "final_div_factor": st.floats(1.0, 1e5),
        "anneal": st.sampled_from(["cos", "linear"]),
        "three_phase": st.booleans(),
        "cycle_momentum": st.booleans(),
        "base_momentum": st.floats(0.1, 0.85),
        "max_momentum": st.floats(0.85, 0.99),
    }
)


@pytest.mark.word(*CYCLE)
@settings(deadline=None)
@given(
    options=cycles,
    base=st.floats(1e-4, 1.0),
    epochs=st.integers(11, 30),
    per_epoch=st.integers(1, 5),
    by=st.sampled_from(["epoch", "step"]),
)
def test_one_cycle_is_torchs_rate_and_momentum(
    options: dict[str, Any], base: float, epochs: int, per_epoch: int, by: str
) -> None:
    said = OneCycle.model_validate({**options, "by": by})
    course = Course(
        schedule=Schedule(one_cycle=said), warmup=None, epochs=epochs, steps_per_epoch=per_epoch
    )
    stride = 1 if by == "step" else per_epoch
    whole = course.steps // stride
    # torch divides by nothing where a phase ends on its first step.
    if any(abs(k * said.pct_start * whole - k) < 1e-9 for k in (1, 2)):
        return
    o = optimizer(base)
    scheduler = theirs.OneCycleLR(
        o,
        max_lr=base * said.max_factor,
        total_steps=whole,
        pct_start=said.pct_start,
        anneal_strategy=said.anneal,
        cycle_momentum=said.cycle_momentum,
        base_momentum=said.base_momentum,
        max_momentum=said.max_momentum,
        div_factor=said.div_factor,
        final_div_factor=said.final_div_factor,
        three_phase=said.three_phase,
    )

    for at in range(0, course.steps, stride):
        (group,) = o.param_groups
        tolerance = TOLERANCE * max(1.0, said.max_factor)
        assert lr(base, at, course) == pytest.approx(group["lr"], rel=0, abs=tolerance)
        moved = momentum(at, course)
        assert (moved is None) != said.cycle_momentum
        if moved is not None:
            assert moved == pytest.approx(group["momentum"], rel=0, abs=TOLERANCE)
        o.step()
        if at + stride < course.steps:
            scheduler.step()


@pytest.mark.parametrize("kind", ["sgd", "adamw"])
def test_the_loop_moves_rate_and_momentum_as_torchs_one_cycle(kind: str) -> None:
    trial = byhand.trial(optimizer={kind: {"lr": 0.01}}, schedule="one_cycle")
    weights = trial.net.parameters()
    o = (
        SGD(weights, lr=0.01, foreach=True)
        if kind == "sgd"
        else AdamW(weights, lr=0.01, foreach=True)
    )
    scheduler = theirs.OneCycleLR(o, max_lr=0.01, total_steps=20)
    stepped = iter(range(19))

    steps = trial.ours()
    losses = byhand.plain(
        trial, o, after_step=lambda: scheduler.step() if next(stepped, None) is not None else None
    )

    assert [step.loss for step in steps] == pytest.approx(losses, rel=1e-6)


def test_the_plan_says_that_one_cycle_moves_the_momentum() -> None:
    def notices(**options: Any) -> list[str]:
        return engine.planned(engine.digits(schedule={"one_cycle": options})).notices

    assert notices() == [
        "one_cycle moves the momentum from 0.95 to 0.85 and back; the optimizer's own is not used"
    ]
    assert notices(cycle_momentum=False) == []


def test_during_a_warmup_the_momentum_is_that_of_the_lowest_rate() -> None:
    course = Course(
        schedule=Schedule(one_cycle=OneCycle()), warmup=Warmup(steps=3), epochs=2, steps_per_epoch=9
    )
    assert [momentum(at, course) for at in range(4)] == [0.95] * 4


def test_a_rise_of_a_single_step_begins_at_the_top() -> None:
    cycle = OneCycle(pct_start=0.1, max_factor=2.0)
    course = Course(schedule=Schedule(one_cycle=cycle), warmup=None, epochs=1, steps_per_epoch=10)
    assert lr(1.0, 0, course) == 2.0


@pytest.mark.parametrize(
    ("schedule", "told"),
    [
        ({"multi_step": {"milestones": [3, 3]}}, "milestones must rise, each stated once"),
        (
            {"one_cycle": {"three_phase": True, "pct_start": 0.6}},
            "pct_start above 0.5 leaves no time to come down in three phases",
        ),
    ],
)
def test_lengths_that_cannot_be_are_faults(schedule: dict[str, Any], told: str) -> None:
    with pytest.raises(RecipeFaults) as caught:
        engine.digits(schedule=schedule)
    assert caught.value.faults[0].description == told
