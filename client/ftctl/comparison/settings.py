"""Which settings of runs differ, and which of them count.

The recipes are compared with their defaults filled in. What counts as one setting is decided
here; docs/comparing.md says it in words.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ftctl.comparison import sameness, staging, wording
from ftctl.comparison.run import Run
from ftctl.comparison.setting import Role, Setting
from ftctl.comparison.wording import ABSENT

_IDLE = (
    "outputs", "data.workers", "data.max_bad", "data.max_pixels", "train.checkpoint",
    "train.resume", "train.out_of_memory", "train.evaluate_first",
)  # fmt: skip
_SEEDS = ("train.seed", "train.repeats")
_STAGES = "train.stages"
_STEPS = ("data.augment", "data.mix")
# The order of a recipe, as people write one; what else there is comes last.
_SECTIONS = ("data", "model", "train")


def differing(runs: Sequence[Run]) -> list[Setting]:
    """Return the settings in which runs differ, in the order of a recipe. Runs of which no recipe
    is known count as having all like the others."""
    known = [run for run in runs if run.recipe]
    if len(known) < 2:
        return []
    recipes = sameness.comparable(known)
    found = [*_sections(recipes), *sameness.images(known), *sameness.preprocess(known)]
    told = [_spread_out(setting, runs, known) for setting in _owned(found, known)]
    return sorted(told, key=_place)


def alike(runs: Sequence[Run], found: Sequence[Setting]) -> int:
    """Return how many settings all runs have in common."""
    known = [run for run in runs if run.recipe]
    if not known:
        return 0
    paths = {path for run in known for path in _leaves("", run.recipe)}
    return sum(not any(_is_within(path, setting.path) for setting in found) for path in paths)


def _sections(recipes: Sequence[Mapping[str, Any]]) -> Iterator[Setting]:
    for name in dict.fromkeys(key for recipe in recipes for key in recipe):
        yield from _compare(name, [recipe.get(name, ABSENT) for recipe in recipes])


def _compare(path: str, values: Sequence[Any]) -> Iterator[Setting]:
    """Yield what differs at and beneath a path."""
    if all(value == values[0] for value in values):
        return
    if any(_is_within(path, idle) for idle in _IDLE):
        yield _setting(path, values, role=Role.IDLE)
    elif all(wording.is_choice(value) for value in values):
        yield from _compare_choices(path, values)
    elif all(isinstance(value, Mapping) for value in values):
        for key in dict.fromkeys(key for value in values for key in value):
            # What a recipe writes beneath `source` and `net` stands one higher in the file.
            inner = path if key in ("", sameness.SOURCE, sameness.NET) else f"{path}.{key}"
            yield from _compare(inner, [value.get(key, ABSENT) for value in values])
    elif _are_alike_lists(values):
        for index, items in enumerate(zip(*values, strict=True)):
            yield from _compare(f"{path}[{index}]", items)
    else:
        yield _setting(path, values, weight=_weight(path, values))


def _compare_choices(path: str, values: Sequence[Mapping[str, Any]]) -> Iterator[Setting]:
    """Yield the kind, where it differs, and what all kinds have: the lr of any optimizer."""
    pairs = [next(iter(value.items())) for value in values]
    kinds, options = [kind for kind, _ in pairs], [options for _, options in pairs]
    if len(set(kinds)) == 1:
        yield from _compare(f"{path}.{kinds[0]}", options)
        return
    shared = [key for key in options[0] if all(key in each for each in options)]
    own = [{key: each[key] for key in each if key not in shared} for each in options]
    shown = tuple(
        wording.choice(kind, each) if len(set(kinds)) > 1 else kind
        for kind, each in zip(kinds, own, strict=True)
    )
    yield Setting(path=path, values=tuple(values), shown=shown)
    for key in shared:
        yield from _compare(f"{path}.{key}", [each[key] for each in options])


def _are_alike_lists(values: Sequence[Any]) -> bool:
    """Return whether lists hold the same kinds of things in the same order."""
    if not all(isinstance(value, list | tuple) for value in values):
        return False
    if len({len(value) for value in values}) > 1:
        return False
    return all(
        all(isinstance(item, Mapping) for item in items)
        and (not wording.is_choice(items[0]) or len({tuple(item) for item in items}) == 1)
        for items in zip(*values, strict=True)
    )


def _setting(
    path: str, values: Sequence[Any], *, role: Role | None = None, weight: int = 1
) -> Setting:
    chosen = role or (Role.SEED if path in _SEEDS else Role.COUNTS)
    plain = tuple(None if value is ABSENT else value for value in values)
    show = staging.shown if path == _STAGES else wording.whole
    shown = tuple(map(show, values))
    return Setting(path=path, values=plain, shown=shown, role=chosen, weight=weight)


def _weight(path: str, values: Sequence[Any]) -> int:
    """Return as how many settings a list of steps counts: one put for another is one, two more
    are two."""
    if path not in _STEPS:
        return 1
    steps = [[wording.whole(step) for step in value or ()] if value is not ABSENT else []
             for value in values]  # fmt: skip
    apart = [
        sum(steps[other].count(step) < steps[one].count(step) for step in set(steps[one]))
        for one in range(len(steps))
        for other in range(len(steps))
    ]
    return max(1, *apart)


def _owned(found: Sequence[Setting], known: Sequence[Run]) -> Iterator[Setting]:
    """Yield the settings; weights that come with another net do not count beside it."""
    for setting in found:
        if setting.path == "model.weights" and _come_with_net(found, setting.values):
            yield replace(setting, role=Role.FOLLOWS)
        else:
            yield setting


def _come_with_net(found: Sequence[Setting], weights: Sequence[Any]) -> bool:
    if not any(setting.path in ("model.name", "model") for setting in found):
        return False
    texts = [str(each).partition(" ")[0] for each in weights]
    if "none" in texts:
        return False
    # A file fits one net only; of published ones another name is another choice.
    return len(set(texts)) == 1 or all(":" in text for text in texts)


def _spread_out(setting: Setting, runs: Sequence[Run], known: Sequence[Run]) -> Setting:
    """Return a setting of the runs with recipes as one of all runs."""
    if len(known) == len(runs):
        return setting
    by_run = {id(run): place for place, run in enumerate(known)}
    places = [by_run.get(id(run)) for run in runs]
    return replace(
        setting,
        values=tuple(None if place is None else setting.values[place] for place in places),
        shown=tuple("?" if place is None else setting.shown[place] for place in places),
    )


def _place(setting: Setting) -> int:
    section = setting.path.partition(".")[0]
    return _SECTIONS.index(section) if section in _SECTIONS else len(_SECTIONS)


def _is_within(path: str, whole: str) -> bool:
    return path == whole or path.startswith((f"{whole}.", f"{whole}["))


def _leaves(path: str, value: Any) -> Iterator[str]:
    if isinstance(value, Mapping) and value:
        for key, each in value.items():
            yield from _leaves(f"{path}.{key}" if path else str(key), each)
    else:
        yield path
