"""How the learning rates of a run will go, and what is odd about it, before the first step."""

from collections.abc import Iterator, Sequence

from fttrain.optim import schedules
from fttrain.optim.schedules import Course
from fttrain.spec.plan import GroupCard, RateCurve, RatePreview
from fttrain.spec.schedules import Cosine

_PER_EPOCH = 4
_POINTS = 96
"""At most: more fit in no terminal, and a plan lies in every checkpoint."""
_CURVES = 8
_LONG_WARMUP = 0.25
"""Of the run. torchvision's recipes take 1 to 10 per cent."""


def rates(
    course: Course, groups: Sequence[GroupCard], steps: int, *, begin: int = 0
) -> RatePreview:
    """Return the learning rates at some of the steps of a stage that has so many.

    `begin`: that many steps of the run come before it.
    """
    at = _steps(course, steps)
    named = {group.lr: group.name for group in reversed(groups)}
    chosen = _spread(sorted(named, reverse=True))
    return RatePreview(
        steps=[begin + step for step in at],
        curves=[
            RateCurve(group=named[base], lr=[schedules.lr(base, step, course) for step in at])
            for base in chosen
        ],
    )


def notices(course: Course, base: float, steps: int) -> Iterator[str]:
    """Say what is odd about the course of a learning rate over so many steps."""
    yield from _rise(course, base, steps)
    yield from _long_warmup(course, steps)


def _rise(course: Course, base: float, steps: int) -> Iterator[str]:
    """A cosine whose half wave ends before the run does rises again, as torch's does."""
    options = course.schedule.value
    if not isinstance(options, Cosine) or options.t_max is None or base <= options.eta_min:
        return
    length = 1 if options.by == "step" else course.steps_per_epoch
    last = (steps - 1 - course.warmup_steps) // length
    if last <= options.t_max:
        return
    times = options.t_max, min(2 * options.t_max, last)
    lowest, highest = (course.warmup_steps + time * length for time in times)
    low, high = (schedules.lr(base, step, course) for step in (lowest, highest))
    unit = options.by
    yield (
        f"the learning rate falls to {low:.3g} at {unit} {1 + lowest // length} and rises again, "
        f"to {high:.3g} at {unit} {1 + highest // length}: the half wave of a cosine of t_max "
        f"{options.t_max} ends there; leave t_max out, and it falls to the end of the run"
    )


def _long_warmup(course: Course, steps: int) -> Iterator[str]:
    share = course.warmup_steps / steps
    if share < _LONG_WARMUP:
        return
    epochs = course.warmup_steps / course.steps_per_epoch
    yield (
        f"the warm-up takes {epochs:.3g} of {steps / course.steps_per_epoch:.3g} epochs, "
        f"{100 * share:.0f} % of the run: that much of it trains below the full learning rate"
    )


def _steps(course: Course, steps: int) -> list[int]:
    """Return which steps are looked at: evenly, and the last one."""
    by_epoch = getattr(course.schedule.value, "by", "epoch") == "epoch"
    is_even = by_epoch and (course.warmup is None or course.warmup.epochs is not None)
    per_epoch = 1 if is_even else min(_PER_EPOCH, course.steps_per_epoch)
    stride = max(course.steps_per_epoch / per_epoch, steps / (_POINTS - 1))
    count = int(steps / stride) + 1
    return sorted({*(int(number * stride) for number in range(count)), steps - 1} - {steps})


def _spread(bases: Sequence[float]) -> Sequence[float]:
    """Keep the highest and the lowest, and some evenly between them."""
    if len(bases) <= _CURVES:
        return bases
    last = len(bases) - 1
    return [bases[round(number * last / (_CURVES - 1))] for number in range(_CURVES)]
