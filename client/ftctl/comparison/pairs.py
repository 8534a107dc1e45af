"""Two runs beside one another: what may be said of one against the other."""

from collections.abc import Sequence
from dataclasses import dataclass

from ftctl import statistics
from ftctl.comparison import settings
from ftctl.comparison.run import Run
from ftctl.comparison.setting import Role
from ftctl.comparison.verdicts import Verdicts

LEVEL = 0.05
"""A smaller p counts as a difference."""


@dataclass(frozen=True, slots=True, kw_only=True)
class McNemar:
    """McNemar's test of two runs on the same validation images."""

    images: int
    both_right: int
    only_baseline: int
    """Images that the baseline alone judged rightly."""
    only_run: int
    both_wrong: int
    p: float
    """Exact, two-sided."""
    mid_p: float
    p_holm: float
    """p, adjusted for that there are several comparisons with the baseline."""

    @property
    def difference(self) -> float:
        """The accuracy of the run less that of the baseline."""
        return (self.only_run - self.only_baseline) / self.images


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A run against the baseline."""

    baseline: str
    run: str
    settings: tuple[str, ...]
    """Paths of the settings that differ and count."""
    weight: int
    """As how many settings they count."""
    differs_in_seed: bool
    is_known: bool
    """False where the settings of one of them are not."""
    mcnemar: McNemar | None
    why_not: str
    """Why there is no test; empty where there is one."""

    @property
    def is_confounded(self) -> bool:
        """True where more than one setting differs: what came of it has no one cause."""
        return self.weight > 1

    @property
    def is_repeat(self) -> bool:
        """True where nothing differs but the seed."""
        return self.is_known and self.weight == 0


def pairs(baseline: Run, others: Sequence[Run]) -> list[Pair]:
    """Return each of the others against the baseline."""
    judged = [_judged(baseline, other) for other in others]
    counted = [each if isinstance(each, tuple) else None for each in judged]
    ps = [statistics.mcnemar(each[1], each[2]) for each in counted if each is not None]
    adjusted = iter(statistics.holm(ps))
    return [
        _pair(
            baseline,
            other,
            _test(counts, next(adjusted)) if counts is not None else None,
            why_not=each if isinstance(each, str) else "",
        )
        for other, each, counts in zip(others, judged, counted, strict=True)
    ]


def _pair(baseline: Run, other: Run, test: McNemar | None, *, why_not: str) -> Pair:
    found = settings.differing([baseline, other])
    counting = [setting for setting in found if setting.role is Role.COUNTS]
    return Pair(
        baseline=baseline.label,
        run=other.label,
        settings=tuple(setting.path for setting in counting),
        weight=sum(setting.weight for setting in counting),
        differs_in_seed=any(setting.path == "train.seed" for setting in found),
        is_known=bool(baseline.recipe and other.recipe),
        mcnemar=test,
        why_not=why_not,
    )


_Counts = tuple[int, int, int, int]
"""Both right, the baseline alone, the other alone, neither."""


def _test(counts: _Counts, p_holm: float) -> McNemar:
    both, first, second, neither = counts
    return McNemar(
        images=sum(counts), both_right=both, only_baseline=first, only_run=second,
        both_wrong=neither, p=statistics.mcnemar(first, second),
        mid_p=statistics.mcnemar_mid_p(first, second), p_holm=p_holm,
    )  # fmt: skip


def _judged(baseline: Run, other: Run) -> _Counts | str:
    """Count how two runs judged the same images, or say why that cannot be."""
    for run in (baseline, other):
        if run.verdicts is None:
            return f"{run.label} {run.silence}"
    assert baseline.verdicts is not None
    assert other.verdicts is not None
    return _counts(baseline.verdicts, other.verdicts)


def _counts(baseline: Verdicts, other: Verdicts) -> _Counts | str:
    ours, theirs = baseline.answers(), other.answers()
    if not ours:
        return "there are no validation images"
    if ours.keys() != theirs.keys():
        shared = len(ours.keys() & theirs.keys())
        return (
            f"they were validated on other images: {shared:,} of {len(ours):,} and {len(theirs):,} "
            "have the same name and class"
        )
    both = sum(ours[image] and theirs[image] for image in ours)
    first, second = sum(ours.values()) - both, sum(theirs.values()) - both
    return both, first, second, len(ours) - both - first - second
