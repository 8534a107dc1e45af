"""A comparison as rows of text, for whatever draws them."""

from collections.abc import Sequence
from dataclasses import dataclass

from ftctl.comparison import sentences
from ftctl.comparison.pairs import Pair
from ftctl.comparison.results import Result
from ftctl.comparison.setting import Role, Setting
from ftctl.view import text


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One setting or figure of all runs."""

    title: str
    brief: str
    """The title above a column."""
    cells: tuple[str, ...]
    best: tuple[int, ...] = ()
    """Which cells are best."""
    is_setting: bool = False


def of_settings(settings: Sequence[Setting]) -> list[Row]:
    """Return the settings that may have to do with what came of it."""
    told = [setting for setting in settings if setting.role is not Role.IDLE]
    briefs = _ends([setting.path for setting in told])
    return [
        Row(title=setting.path, brief=brief, cells=setting.shown, is_setting=True)
        for setting, brief in zip(told, briefs, strict=True)
    ]


def of_results(results: Sequence[Result]) -> list[Row]:
    """Return the figures."""
    return [
        Row(title=each.title, brief=each.brief, cells=each.shown, best=each.best)
        for each in results
        if each.title
    ]


def of_tests(pairs: Sequence[Pair], *, is_brief: bool = False) -> list[list[str]]:
    """Return titles and a row for each pair that was tested; nothing where none was."""
    tested = [(pair, pair.mcnemar) for pair in pairs if pair.mcnemar is not None]
    if not tested:
        return []
    several = len(tested) > 1
    titles = ["run", "both right", "only it", "only base", "points", "p", "mid-p", "p (Holm)"]
    rows = [[*titles, "at 0.05"]]
    for pair, test in tested:
        rows.append([
            pair.run, text.count(test.both_right), text.count(test.only_run),
            text.count(test.only_baseline), f"{100 * test.difference:+.1f}",
            *map(sentences.p_value, (test.p, test.mid_p, test.p_holm)),
            sentences.verdict(test, several=several),
        ])  # fmt: skip
    left_out = {"mid-p", "both right"} if is_brief else set()
    left_out |= set() if several else {"p (Holm)"}
    kept = [place for place, title in enumerate(rows[0]) if title not in left_out]
    return [[row[place] for place in kept] for row in rows]


def _ends(paths: Sequence[str]) -> list[str]:
    """Return the ends of paths that are enough to tell them apart."""
    told = []
    for path in paths:
        parts = path.split(".")
        ends = (".".join(parts[-count:]) for count in range(1, len(parts) + 1))
        others = [other for other in paths if other != path]
        told.append(next((e for e in ends if not any(_has_end(o, e) for o in others)), path))
    return told


def _has_end(path: str, end: str) -> bool:
    return path == end or path.endswith(f".{end}")
