"""The learning rate as a pure function of the step."""

import math
from dataclasses import dataclass

from fttrain.spec import optimization


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What the learning rate depends on beside the step.

    The schedule's clock, in steps or epochs, starts where the warm-up ends. `max_steps` cuts a run
    short; it does not bend the course.
    """

    schedule: optimization.Schedule
    warmup: optimization.Warmup | None
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


def lr(base: float, step: int, course: Course) -> float:
    """Return the learning rate of a step, counted from 0."""
    if course.warmup is not None and step < course.warmup_steps:
        return base * _warmup_factor(course.warmup, step, course.steps_per_epoch)
    after = step - course.warmup_steps
    options = course.schedule.value
    if isinstance(options, optimization.Step):
        return float(base * options.gamma ** (after // course.steps_per_epoch // options.every))
    if isinstance(options, optimization.Cosine):
        return _cosine(base, after, options, course)
    return base


def _warmup_factor(warmup: optimization.Warmup, step: int, steps_per_epoch: int) -> float:
    if warmup.steps is not None:
        share = step / warmup.steps
    else:
        assert warmup.epochs is not None
        share = step // steps_per_epoch / warmup.epochs
    return warmup.start + (1 - warmup.start) * share


def _cosine(base: float, after: int, options: optimization.Cosine, course: Course) -> float:
    """Follow the wave; beyond t_max it rises again, as torch's CosineAnnealingLR does."""
    left = course.steps - course.warmup_steps
    if options.by == "step":
        time, whole = after, left
    else:
        time = after // course.steps_per_epoch
        whole = math.ceil(left / course.steps_per_epoch)
    share = time / (options.t_max or whole)
    return options.eta_min + (base - options.eta_min) * (1 + math.cos(math.pi * share)) / 2
