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
    cells: tuple[str, ...]
    best: tuple[int, ...] = ()
    """Which cells are best."""
    is_number: bool = False


def of_settings(settings: Sequence[Setting]) -> list[Row]:
    """Return the settings that may have to do with what came of it."""
    return [
        Row(title=setting.path, cells=setting.shown)
        for setting in settings
        if setting.role is not Role.IDLE
    ]


def of_results(results: Sequence[Result]) -> list[Row]:
    """Return the figures."""
    return [
        Row(title=each.title, cells=each.shown, best=each.best, is_number=True) for each in results
    ]


def of_tests(pairs: Sequence[Pair]) -> list[list[str]]:
    """Return titles and a row for each pair that was tested; nothing where none was."""
    tested = [(pair, pair.mcnemar) for pair in pairs if pair.mcnemar is not None]
    if not tested:
        return []
    several = len(tested) > 1
    titles = ["run", "images", "both right", "only it", "only baseline", "points", "p", "mid-p"]
    rows = [[*titles, *(["p (Holm)"] if several else []), "at 0.05"]]
    for pair, test in tested:
        ps = [test.p, test.mid_p, *([test.p_holm] if several else [])]
        rows.append([
            pair.run, text.count(test.images), text.count(test.both_right),
            text.count(test.only_run), text.count(test.only_baseline),
            f"{100 * test.difference:+.1f}", *map(sentences.p_value, ps),
            sentences.verdict(test, several=several),
        ])  # fmt: skip
    return rows
