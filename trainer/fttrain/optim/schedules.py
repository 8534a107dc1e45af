"""Learning rate and momentum as pure functions of the step."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

from fttrain.spec import schedules


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What the learning rate depends on beside the step.

    The schedule's clock, in steps or epochs, starts where the warm-up ends. `max_steps` cuts a run
    short; it does not bend the course.
    """

    schedule: schedules.Schedule
    warmup: schedules.Warmup | None
    epochs: int
    steps_per_epoch: int

    @property
    def warmup_steps(self) -> int:
        """Length of the warm-up in steps."""
        if self.warmup is None:
            return 0
        return self.warmup.steps or (self.warmup.epochs or 0) * self.steps_per_epoch

    @property
    def steps(self) -> int:
        """Length of the whole course in steps."""
        return self.epochs * self.steps_per_epoch


@dataclass(frozen=True, slots=True, kw_only=True)
class _Moment:
    """Where a schedule stands, in its own unit."""

    time: int
    whole: int
    """What the warm-up leaves of the run."""


def lr(base: float, step: int, course: Course) -> float:
    """Return the learning rate of a step, counted from 0."""
    if course.warmup is not None and step < course.warmup_steps:
        return base * _warmup_factor(course.warmup, step, course.steps_per_epoch)
    options = course.schedule.value
    return _RATES[type(options)](base, _moment(step, course), options)


def momentum(step: int, course: Course) -> float | None:
    """Return the momentum of a step; None where it stays what the optimizer has."""
    options = course.schedule.one_cycle
    if options is None or not options.cycle_momentum:
        return None
    if step < course.warmup_steps:
        return options.max_momentum
    moment = _moment(step, course)
    return _cycle(moment, options, high=options.base_momentum, low=options.max_momentum)


def _warmup_factor(warmup: schedules.Warmup, step: int, steps_per_epoch: int) -> float:
    if warmup.steps is not None:
        share = step / warmup.steps
    else:
        assert warmup.epochs is not None
        share = step // steps_per_epoch / warmup.epochs
    return warmup.start + (1 - warmup.start) * share


def _moment(step: int, course: Course) -> _Moment:
    after, left = step - course.warmup_steps, course.steps - course.warmup_steps
    if getattr(course.schedule.value, "by", "epoch") == "step":
        return _Moment(time=after, whole=left)
    per_epoch = course.steps_per_epoch
    return _Moment(time=after // per_epoch, whole=math.ceil(left / per_epoch))


def _constant(base: float, _: _Moment, __: schedules.Constant) -> float:
    return base


def _step(base: float, moment: _Moment, options: schedules.Step) -> float:
    return float(base * options.gamma ** (moment.time // options.every))


def _multi_step(base: float, moment: _Moment, options: schedules.MultiStep) -> float:
    passed = sum(milestone <= moment.time for milestone in options.milestones)
    return float(base * options.gamma**passed)


def _exponential(base: float, moment: _Moment, options: schedules.Exponential) -> float:
    return float(base * options.gamma**moment.time)


def _polynomial(base: float, moment: _Moment, options: schedules.Polynomial) -> float:
    total = options.total_iters or moment.whole
    return float(base * (1 - min(moment.time, total) / total) ** options.power)


def _cosine(base: float, moment: _Moment, options: schedules.Cosine) -> float:
    """Follow the wave; beyond t_max it rises again, as torch's CosineAnnealingLR does."""
    return _wave(base, options.eta_min, moment.time / (options.t_max or moment.whole))


def _warm_restarts(base: float, moment: _Moment, options: schedules.WarmRestarts) -> float:
    time, length = moment.time, options.t_0
    if options.t_mult == 1:
        time %= length
    while time >= length:
        time, length = time - length, length * options.t_mult
    return _wave(base, options.eta_min, time / length)


def _wave(high: float, low: float, share: float) -> float:
    return low + (high - low) * (1 + math.cos(math.pi * share)) / 2


def _one_cycle(base: float, moment: _Moment, options: schedules.OneCycle) -> float:
    high = base * options.max_factor
    low = high / options.div_factor
    return _cycle(moment, options, high=high, low=low, last=low / options.final_div_factor)


def _cycle(
    moment: _Moment,
    options: schedules.OneCycle,
    *,
    high: float,
    low: float,
    last: float | None = None,
) -> float:
    """Return where a value is on its way from low to high, (to low) and to the last."""
    last = low if last is None else last
    up = options.pct_start * moment.whole - 1
    points = [(0.0, low), (up, high), (moment.whole - 1.0, last)]
    if options.three_phase:
        points.insert(2, (2 * options.pct_start * moment.whole - 2, low))
    for (begin, first), (end, then) in pairwise(points):
        if moment.time <= end:
            share = (moment.time - begin) / (end - begin) if end > begin else 1.0
            return _annealed(first, then, share, options.anneal)
    return last


def _annealed(first: float, last: float, share: float, how: Literal["cos", "linear"]) -> float:
    return _wave(first, last, share) if how == "cos" else first + (last - first) * share


_RATES: Mapping[type, Callable[[float, _Moment, Any], float]] = {
    schedules.Constant: _constant,
    schedules.Step: _step,
    schedules.MultiStep: _multi_step,
    schedules.Exponential: _exponential,
    schedules.Polynomial: _polynomial,
    schedules.Cosine: _cosine,
    schedules.WarmRestarts: _warm_restarts,
    schedules.OneCycle: _one_cycle,
}
