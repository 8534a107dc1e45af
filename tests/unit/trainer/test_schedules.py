"""The learning rate of each step is torch's, without a scheduler."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.optim import SGD
from torch.optim.lr_scheduler import (
    ConstantLR,
    CosineAnnealingLR,
    LinearLR,
    LRScheduler,
    SequentialLR,
    StepLR,
)

from fttrain.optim.schedules import Course, lr
from fttrain.spec.schedules import Constant, Cosine, Schedule, Step, Warmup

TOLERANCE = 1e-12

bases = st.floats(1e-5, 1.0)
lengths = st.integers(1, 40)
starts = st.floats(0.001, 1.0)


def torch_rates(base: float, count: int, make: Any) -> list[float]:
    """Return the learning rates of so many strides of a torch scheduler."""
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = SGD([parameter], lr=base)
    scheduler: LRScheduler = make(optimizer)
    rates = []
    for _ in range(count):
        rates.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        scheduler.step()
    return rates


def ours(base: float, course: Course) -> list[float]:
    return [lr(base, step, course) for step in range(course.steps)]


def assert_same(mine: list[float], theirs: list[float]) -> None:
    assert mine == pytest.approx(theirs, rel=0, abs=TOLERANCE)


def schedules_by_epoch() -> st.SearchStrategy[tuple[Schedule, Any]]:
    """Draw a schedule with the torch scheduler that it means, stepped once an epoch."""

    def step(every: int, gamma: float) -> tuple[Schedule, Any]:
        return Schedule(step=Step(every=every, gamma=gamma)), lambda o: StepLR(o, every, gamma)

    def cosine(t_max: int, eta_min: float) -> tuple[Schedule, Any]:
        chosen = Schedule(cosine=Cosine(t_max=t_max, eta_min=eta_min))
        return chosen, lambda o: CosineAnnealingLR(o, t_max, eta_min)

    constant = (Schedule(constant=Constant()), lambda o: ConstantLR(o, factor=1.0))
    return st.one_of(
        st.just(constant),
        st.builds(step, st.integers(1, 12), st.floats(0.01, 1.0)),
        st.builds(cosine, lengths, st.floats(0.0, 0.01)),
    )


@settings(deadline=None)
@given(base=bases, chosen=schedules_by_epoch(), epochs=lengths, per_epoch=st.integers(1, 5))
def test_a_schedule_is_torchs_stepped_once_an_epoch(
    base: float, chosen: tuple[Schedule, Any], epochs: int, per_epoch: int
) -> None:
    schedule, make = chosen
    course = Course(schedule=schedule, warmup=None, epochs=epochs, steps_per_epoch=per_epoch)
    theirs = [rate for rate in torch_rates(base, epochs, make) for _ in range(per_epoch)]
    assert_same(ours(base, course), theirs)


@settings(deadline=None)
@given(
    base=bases,
    chosen=schedules_by_epoch(),
    warm=st.integers(1, 10),
    start=starts,
    after=lengths,
    per_epoch=st.integers(1, 4),
)
def test_a_warmup_by_epochs_is_torchs_sequential(
    base: float, chosen: tuple[Schedule, Any], warm: int, start: float, after: int, per_epoch: int
) -> None:
    schedule, make = chosen
    warmup, epochs = Warmup(epochs=warm, start=start), warm + after

    def sequence(optimizer: SGD) -> LRScheduler:
        linear = LinearLR(optimizer, start_factor=start, total_iters=warm)
        return SequentialLR(optimizer, [linear, make(optimizer)], milestones=[warm])

    course = Course(schedule=schedule, warmup=warmup, epochs=epochs, steps_per_epoch=per_epoch)
    theirs = [rate for rate in torch_rates(base, epochs, sequence) for _ in range(per_epoch)]
    assert_same(ours(base, course), theirs)


@settings(deadline=None)
@given(
    base=bases,
    warm=st.integers(1, 30),
    start=starts,
    epochs=st.integers(8, 20),
    per_epoch=st.integers(4, 6),
    eta_min=st.floats(0.0, 0.01),
)
def test_warmup_and_cosine_by_step_are_torchs_sequential(
    base: float, warm: int, start: float, epochs: int, per_epoch: int, eta_min: float
) -> None:
    schedule = Schedule(cosine=Cosine(by="step", eta_min=eta_min))
    warmup = Warmup(steps=warm, start=start)
    course = Course(schedule=schedule, warmup=warmup, epochs=epochs, steps_per_epoch=per_epoch)

    def sequence(optimizer: SGD) -> LRScheduler:
        linear = LinearLR(optimizer, start_factor=start, total_iters=warm)
        cosine = CosineAnnealingLR(optimizer, course.steps - warm, eta_min)
        return SequentialLR(optimizer, [linear, cosine], milestones=[warm])

    assert_same(ours(base, course), torch_rates(base, course.steps, sequence))


@settings(deadline=None)
@given(base=bases, warm=st.integers(1, 9), every=st.integers(1, 4), per_epoch=st.integers(2, 5))
def test_after_a_warmup_by_steps_epochs_count_from_its_end(
    base: float, warm: int, every: int, per_epoch: int
) -> None:
    schedule, warmup = Schedule(step=Step(every=every)), Warmup(steps=warm)
    course = Course(schedule=schedule, warmup=warmup, epochs=12, steps_per_epoch=per_epoch)

    def sequence(optimizer: SGD) -> LRScheduler:
        linear = LinearLR(optimizer, start_factor=warmup.start, total_iters=warm)
        step = StepLR(optimizer, every * per_epoch, 0.1)
        return SequentialLR(optimizer, [linear, step], milestones=[warm])

    assert_same(ours(base, course), torch_rates(base, course.steps, sequence))


def test_a_cosine_without_t_max_spans_what_the_warmup_leaves() -> None:
    course = Course(
        schedule=Schedule(cosine=Cosine()),
        warmup=Warmup(epochs=5),
        epochs=15,
        steps_per_epoch=3,
    )
    assert lr(1.0, 5 * 3, course) == 1.0
    assert lr(1.0, 10 * 3, course) == pytest.approx(0.5)
    assert 0 < lr(1.0, 15 * 3 - 1, course) < 0.03
