"""Weights of classes, from what a recipe says of them and how many images each has."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from fttrain.spec.faults import Fault, RecipeFaults
from fttrain.spec.nearest import hint
from fttrain.spec.recipe import Recipe

ByClass = Literal["balanced"] | Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """The training images of each class."""

    classes: Sequence[str]
    per_class: Sequence[int]


_SHOWN = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighting:
    """What classes count, in their order."""

    loss: list[float]
    """What the loss weights each by; empty: all alike."""
    sampling: list[float]
    """How often an image of each is drawn; empty: every image once."""


def work_out(recipe: Recipe, counts: Counts) -> Weighting:
    """Work out the weights of classes.

    Raises:
        RecipeFaults: for classes that are not there, or have no images to weight them by.
    """
    faults: list[Fault] = []
    found: list[list[float]] = []
    for work in (_of_loss, _of_sampling):
        try:
            found.append(work(recipe, counts))
        except RecipeFaults as these:
            faults += these.faults
    if faults:
        raise RecipeFaults(faults)
    loss, sampling = found
    return Weighting(loss=loss, sampling=sampling)


def notices(weighting: Weighting, counts: Counts) -> Iterator[str]:
    """Say what classes count, where not all count alike."""
    if weighting.loss:
        weights = [f"{weight:.4g}" for weight in weighting.loss]
        yield f"the loss weights classes: {_listed(counts.classes, weights)}"
    if weighting.sampling:
        drawn = [w * n for w, n in zip(weighting.sampling, counts.per_class, strict=True)]
        shares = [f"{100 * each / sum(drawn):.1f} %" for each in drawn]
        yield f"images are drawn with replacement: {_listed(counts.classes, shares)}"


def _listed(classes: Sequence[str], told: Sequence[str]) -> str:
    pairs = [f"{name} {each}" for name, each in zip(classes, told, strict=True)]
    more = [f"{len(pairs) - _SHOWN} more"] if len(pairs) > _SHOWN else []
    return ", ".join(pairs[:_SHOWN] + more)


def _of_loss(recipe: Recipe, counts: Counts) -> list[float]:
    loss = recipe.train.loss
    images, classes = sum(counts.per_class), len(counts.classes)
    field = f"train.loss.{loss.kind}"
    if loss.bce is not None:
        stated = loss.bce.pos_weight
        if isinstance(stated, float | int):
            return [float(stated)] * classes
        return _weights(stated, counts, f"{field}.pos_weight", lambda n: (images - n) / n)
    if loss.focal is not None:
        stated, field = loss.focal.alpha, f"{field}.alpha"
    else:
        assert loss.cross_entropy is not None
        stated, field = loss.cross_entropy.class_weights, f"{field}.class_weights"
    return _weights(stated, counts, field, lambda n: images / (classes * n))


def _of_sampling(recipe: Recipe, counts: Counts) -> list[float]:
    weighted = recipe.data.sampling.weighted
    if weighted is None:
        return []
    return _weights(weighted.weights, counts, "data.sampling.weighted.weights", lambda n: 1 / n)


def _weights(
    stated: ByClass | None, counts: Counts, field: str, balanced: Callable[[int], float]
) -> list[float]:
    if stated is None:
        return []
    if isinstance(stated, str):
        empty = [c for c, n in zip(counts.classes, counts.per_class, strict=True) if n == 0]
        if empty:
            what = f"balanced needs images of every class; there are none to train on of {empty[0]}"
            raise RecipeFaults([Fault(field=field, description=what)])
        return [balanced(n) for n in counts.per_class]
    unknown = [name for name in stated if name not in counts.classes]
    if unknown:
        raise RecipeFaults([_unknown(f"{field}.{name}", name, counts) for name in unknown])
    return [float(stated.get(name, 1.0)) for name in counts.classes]


def _unknown(field: str, name: str, counts: Counts) -> Fault:
    near = hint(name, counts.classes)
    shown = ", ".join(counts.classes[:8]) + (", ..." if len(counts.classes) > 8 else "")
    what = f"there is no class `{name}`{near or f'; there are {shown}'}"
    return Fault(field=field, description=what)
