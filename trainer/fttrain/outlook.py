"""What can be said of a run before its first step: how its rates go, how its weights came to be,
and how finely its validation images tell."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from fttrain import consistency, preview
from fttrain.models.weights import Lineage
from fttrain.optim.schedules import Course
from fttrain.score import wilson
from fttrain.spec.images import Preprocess
from fttrain.spec.plan import ConsistencyCard, GroupCard, RatePreview
from fttrain.spec.recipe import Recipe

_FEW = 500
"""Validation images: with fewer, an accuracy of 90 % is known to 2.6 points at best."""
_SHARE = 0.9


class Stage(Protocol):
    """A stage of a plan in the making."""

    @property
    def recipe(self) -> Recipe:
        """Its flat recipe."""

    @property
    def course(self) -> Course:
        """The course of its learning rate."""

    @property
    def table(self) -> list[GroupCard]:
        """Its group table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """A stage that has been cut to the run: its flat recipe and what that turned out to mean."""

    recipe: Recipe
    course: Course
    groups: Sequence[GroupCard]
    steps: int
    """How many it has; 0: the run ends before it."""


def legs(stages: Iterable[Stage], max_steps: int | None) -> list[Leg]:
    """Return the stages of a run that ends after so many steps; None: after the last of them."""
    found, left = [], max_steps
    for stage in stages:
        steps = stage.course.steps if left is None else min(stage.course.steps, left)
        left = left - steps if left is not None else None
        found.append(Leg(recipe=stage.recipe, course=stage.course, groups=stage.table, steps=steps))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What can be said."""

    rates: list[RatePreview]
    consistency: ConsistencyCard | None
    notices: list[str]


def look(
    legs: Sequence[Leg], *, lineage: Lineage | None, preprocess: Preprocess, judged: int
) -> Outlook:
    """Look ahead over the stages of a run whose accuracy is taken on so many images."""
    card = consistency.card([leg.recipe for leg in legs], lineage, preprocess)
    return Outlook(
        rates=list(_rates(legs)),
        consistency=card,
        notices=[
            *_odd(legs),
            *(consistency.notices(card) if card is not None else ()),
            *coarseness(judged),
        ],
    )


def coarseness(images: int) -> Iterator[str]:
    """Say how finely so few validation images tell."""
    if not 0 < images < _FEW:
        return
    low, high = wilson(round(_SHARE * images), images)
    points = 100 / images
    yield (
        f"validation has {images} images: one of them is {points:.2g} points of accuracy, and at "
        f"{100 * _SHARE:.0f} % the 95 % interval is about ± {50 * (high - low):.2g} points wide"
    )


def _rates(legs: Sequence[Leg]) -> Iterator[RatePreview]:
    begin = 0
    for leg in (leg for leg in legs if leg.steps):
        yield preview.rates(leg.course, leg.groups, leg.steps, begin=begin)
        begin += leg.steps


def _odd(legs: Sequence[Leg]) -> Iterator[str]:
    for number, leg in enumerate(legs, start=1):
        if not leg.steps:
            return
        base = max(group.lr for group in leg.groups)
        where = f"stage {number}: " if len(legs) > 1 else ""
        for notice in preview.notices(leg.course, base, leg.steps):
            yield where + notice
