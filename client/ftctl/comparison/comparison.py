"""A comparison: runs, the settings that differ, what came of each, and pairs of them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ftctl.comparison import notebook, pairs, results, sentences, settings, sheets
from ftctl.comparison.pairs import Pair
from ftctl.comparison.results import Result
from ftctl.comparison.run import Run
from ftctl.comparison.setting import Setting
from ftctl.comparison.sheets import Row
from ftctl.errors import BadInput

MOST_RUNS = 32
"""More no table shows so that one can read it."""
_ID_LETTERS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Runs beside one another."""

    runs: tuple[Run, ...]
    """In the order in which they were named; the baseline first."""
    settings: tuple[Setting, ...]
    """All that differ."""
    alike: int
    """How many settings all have in common."""
    results: tuple[Result, ...]
    pairs: tuple[Pair, ...]
    """Each of the others against the baseline."""
    machine: dict[str, tuple[str, ...]]
    """In what the machines differ: fact, and one word per run."""

    @property
    def baseline(self) -> Run:
        """The run that others are held against."""
        return self.runs[0]

    @property
    def labels(self) -> tuple[str, ...]:
        """What each run is called."""
        return tuple(run.label for run in self.runs)

    def parts(self) -> tuple[list[Row], list[Row]]:
        """Return settings and results as rows of text."""
        return sheets.of_settings(self.settings), sheets.of_results(self.results)

    def notes(self) -> list[str]:
        """Return what is to be said of it, a sentence each."""
        machines = sentences.machines(self.machine)
        return [
            sentences.alike(self.alike, self.settings),
            *sentences.standings(self.runs),
            *map(sentences.difference, self.pairs),
            *sentences.repeats(self.runs),
            *([machines] if machines else []),
            *sentences.untested(self.pairs),
        ]

    def result(self, name: str) -> Result:
        """Return a figure by name. Raises KeyError where no run has it."""
        for each in self.results:
            if each.name == name:
                return each
        raise KeyError(name)

    def __repr__(self) -> str:
        return notebook.text(self.labels, self.parts(), self.notes())

    def _repr_html_(self) -> str:
        return notebook.page(self.labels, self.parts(), sheets.of_tests(self.pairs), self.notes())


def compare(runs: Sequence[Run], *, baseline: str = "") -> Comparison:
    """Compare runs with one another.

    Args:
        runs: At least two, each once.
        baseline: Name, label, id or file of the run that the others are held against; empty: the
            first.

    Raises:
        BadInput: for fewer, too many, one that is there twice, or an unknown baseline.
    """
    _check(runs)
    named = _named(runs)
    first = _chosen(named, baseline)
    ordered = [first, *(run for run in named if run is not first)]
    found = settings.differing(ordered)
    return Comparison(
        runs=tuple(ordered),
        settings=tuple(found),
        alike=settings.alike(ordered, found),
        results=tuple(results.results(ordered)),
        pairs=tuple(pairs.pairs(first, ordered[1:])),
        machine=results.machine(ordered),
    )


def _check(runs: Sequence[Run]) -> None:
    if len(runs) < 2:
        only = f"{runs[0].label} alone" if runs else "nothing"
        raise BadInput(f"{only} cannot be compared; name at least two jobs or exported files")
    if len(runs) > MOST_RUNS:
        raise BadInput(f"at most {MOST_RUNS} jobs are compared at a time, not {len(runs)}")
    twice = [each for each, times in Counter(run.id for run in runs if run.id).items() if times > 1]
    if twice:
        (name,) = {run.name for run in runs if run.id == twice[0]}
        raise BadInput(f"{name} ({twice[0][:_ID_LETTERS]}) is there twice; name each job once")


def _named(runs: Sequence[Run]) -> list[Run]:
    """Return the runs, each called so that it can be told from the others."""
    times = Counter(run.name for run in runs)
    once = [
        run if times[run.name] == 1 else replace(run, label=f"{run.name} ({_mark(run)})")
        for run in runs
    ]
    # The same job, once more without an id: a list of its epochs.
    seen: Counter[str] = Counter()
    told = []
    for run in once:
        seen[run.label] += 1
        again = seen[run.label] > 1
        told.append(replace(run, label=f"{run.label} {seen[run.label]}") if again else run)
    return told


def _mark(run: Run) -> str:
    return run.id[:_ID_LETTERS] or run.origin


def _chosen(runs: Sequence[Run], baseline: str) -> Run:
    if not baseline:
        return runs[0]
    for run in runs:
        if baseline in (run.name, run.label, run.id, run.origin) or (
            run.id.startswith(baseline) and len(baseline) >= 4
        ):
            return run
    known = ", ".join(run.label for run in runs)
    raise BadInput(f"the baseline {baseline} is not among what is compared: {known}")
