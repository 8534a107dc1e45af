"""A training in stages, as a plan has it: what each is, and how long it goes on."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from rich.text import Text

from ftctl.view import text

Card = Mapping[str, Any]


def of(plan: Card) -> Sequence[Card]:
    """Return the stages; without any, the plan as the one that it is."""
    return plan.get("stages") or [plan]


def headed(plan: Card, show: Callable[[Card], Sequence[Text]]) -> list[Text]:
    """Return what there is to show of each stage, beneath its name where there are several."""
    found = of(plan)
    told: list[Text] = []
    for place, stage in enumerate(found):
        if plan.get("stages"):
            told.append(Text(_name(plan, place), "title"))
        told.extend(show(stage) if stage["epochs"] else ())
    return told


def numbered(plan: Card, say: Callable[[Card], Sequence[str]]) -> list[str]:
    """Return what there is to say of each stage, after its number where there are several.

    What is so in all of them is said once.
    """
    said = [tuple(say(stage)) for stage in of(plan)]
    if len(set(said)) == 1:
        return list(said[0])
    return [f"stage {place}: {', '.join(each)}" for place, each in enumerate(said, 1) if each]


def length(plan: Card) -> str:
    """Return how many steps there are, and of which epochs."""
    found = [stage for stage in of(plan) if stage["epochs"]]
    parts = [f"{stage['epochs']} × {text.count(stage['steps_per_epoch'])}" for stage in found]
    whole = sum(stage["epochs"] * stage["steps_per_epoch"] for stage in found)
    is_cut = whole != plan["steps"]
    epochs = text.counted(plan["epochs"], "epoch")
    if found[1:]:
        told = f"{epochs} in {len(found)} stages, {' + '.join(parts)}"
    else:
        told = f"{epochs} × {text.count(plan['steps_per_epoch'])}"
    return f"{told}{', cut to' if is_cut else ' ='} {text.count(plan['steps'])} steps"


def begun(plan: Card, epoch: int) -> list[Text]:
    """Return what stands in a table of epochs above the first one of a stage."""
    place = _place(plan, epoch)
    if place is None or plan["stages"][place]["first_epoch"] != epoch:
        return []
    return [Text(f" {_name(plan, place)}", "label", no_wrap=True, overflow="ellipsis")]


def now(plan: Card, epoch: int) -> str:
    """Return in which stage an epoch is; nothing where there is one alone."""
    place = _place(plan, epoch)
    return "" if place is None else _number(plan, place)


def _place(plan: Card, epoch: int) -> int | None:
    for place, stage in enumerate(plan.get("stages") or ()):
        if stage["first_epoch"] <= epoch < stage["first_epoch"] + stage["epochs"]:
            return place
    return None


def _number(plan: Card, place: int) -> str:
    return f"stage {place + 1} of {len(plan['stages'])}"


def _name(plan: Card, place: int) -> str:
    return " · ".join([_number(plan, place), *_facts(plan["stages"][place])])


def _facts(stage: Card) -> Iterator[str]:
    if not stage["epochs"]:
        yield "never reached"
        return
    first, last = stage["first_epoch"], stage["first_epoch"] + stage["epochs"] - 1
    yield f"epoch {first}" if first == last else f"epochs {first} to {last}"
    share = text.count(stage["parameters_trained"])
    yield f"{share} parameters train"
    if stage["optimizer_state"] == "keep":
        yield "optimizer goes on"
