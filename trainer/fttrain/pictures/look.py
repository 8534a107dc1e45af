"""How a picture is asked for: axes and what they show."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from fttrain.spec.nearest import hint

Scale = Literal["linear", "log"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Axes of a picture; what is not said is as suits its kind."""

    x: Scale | None = None
    y: Scale | None = None
    metrics: tuple[str, ...] = ()


class BadLook(Exception):
    """A picture that cannot be drawn as it was asked for."""


def choose(metrics: Collection[str], known: Collection[str], *, kind: str) -> None:
    """Raise BadLook where one of the metrics is not known to this kind."""
    for name in metrics:
        if name not in known:
            near = hint(name, known) or f"; there are {', '.join(known)}"
            raise BadLook(f"{kind} has no metric `{name}`{near}")


def without_axes(look: Look, *, kind: str) -> None:
    """Raise BadLook where axes are chosen of a kind that has none to choose."""
    for name in ("x", "y"):
        if getattr(look, name) is not None:
            raise BadLook(f"{kind} has no {name} axis to choose; curves have")
