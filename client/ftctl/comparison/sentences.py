"""A comparison in sentences: what differs, what is confounded, what a test says."""

from collections.abc import Iterator, Mapping, Sequence

from ftctl.comparison.pairs import LEVEL, McNemar, Pair
from ftctl.comparison.run import Run
from ftctl.comparison.setting import Role, Setting
from ftctl.view import text

_MOST_NAMED = 6
_UNHAPPY = {"failed": "failed", "cancelled": "was cancelled"}


def alike(count: int, settings: Sequence[Setting]) -> str:
    """Say how much is the same, and what differs without any bearing."""
    told = f"{text.counted(count, 'setting')} alike"
    idle = [setting.path for setting in settings if setting.role is Role.IDLE]
    return f"{told}; others without bearing: {', '.join(idle)}" if idle else told


def standings(runs: Sequence[Run]) -> Iterator[str]:
    """Say of runs that have not ended well where they stand."""
    for run in runs:
        if run.is_under_way:
            epochs = len([epoch for epoch in run.epochs if epoch.epoch > 0])
            done = f"after {text.counted(epochs, 'epoch')}" if epochs else "no epoch has ended yet"
            yield f"{run.label} is under way ({run.state}, {done}): its figures may change"
        elif run.state in ("failed", "cancelled"):
            yield (
                f"{run.label} was {run.state}: its figures are those until then"
                if (run.state == "cancelled")
                else f"{run.label} failed: its figures are those until then"
            )


def machines(facts: Mapping[str, Sequence[str]]) -> str:
    """Say in what the machines differ; empty where they do not."""
    if not facts:
        return ""
    told = ", ".join(
        f"{name} ({' / '.join(dict.fromkeys(word or '–' for word in words))})"
        for name, words in facts.items()
    )
    return f"the machines differ in {told}: times are not to be compared, digits may differ"


def difference(pair: Pair) -> str:
    """Say in what a run differs from the baseline."""
    if not pair.is_known:
        return f"{pair.run}: the settings are not known, so what differs cannot be told"
    if pair.is_repeat:
        if pair.differs_in_seed:
            return f"{pair.run} repeats {pair.baseline}: only the seed differs"
        return f"{pair.run} and {pair.baseline} have the same settings"
    if not pair.is_confounded:
        chance = ", beside the seed" if pair.differs_in_seed else ""
        return f"{pair.run} differs in one setting{chance}: {pair.settings[0]}"
    named = ", ".join(pair.settings[:_MOST_NAMED])
    rest = len(pair.settings) - _MOST_NAMED
    named += f" and {rest} more" if rest > 0 else ""
    return f"{pair.run} differs in {pair.weight} settings, confounded: {named}"


CONFOUNDED = (
    "confounded: more than one setting differs from the baseline, so what came of it cannot be "
    "laid to one of them"
)


def mcnemar(pairs: Sequence[Pair]) -> str:
    """Say what the table of tests is about. At least one pair was tested."""
    pair, test = next((pair, pair.mcnemar) for pair in pairs if pair.mcnemar is not None)
    several = sum(pair.mcnemar is not None for pair in pairs) > 1
    holm = "; Holm: adjusted for several tests" if several else ""
    return (
        f"McNemar's test against {pair.baseline} on the same "
        f"{text.counted(test.images, 'validation image')}, exact, two-sided{holm}"
    )


def repeats(runs: Sequence[Run]) -> Iterator[str]:
    """Say of runs with repeats that their best is chosen among several."""
    times = {run.label: run.fact("repeats") or 1 for run in runs}
    if len(set(times.values())) > 1:
        for label, count in times.items():
            if count > 1:
                yield f"{label}: its best is the best of {count} repeats, which favours it"


def verdict(test: McNemar, *, several: bool) -> str:
    """Say what a test shows."""
    p = test.p_holm if several else test.p
    if p >= LEVEL:
        return "not shown"
    return "better" if test.difference > 0 else "worse"


def p_value(value: float) -> str:
    """Return a p with digits that tell something: `0.031`, `1.2e-7`."""
    if value >= 0.9995:
        return "1"
    if value >= 0.0005:
        return f"{value:.3f}"
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa}e{int(exponent)}"


def untested(pairs: Sequence[Pair]) -> Iterator[str]:
    """Say of the pairs without a test why there is none; together, where it is for one reason."""
    reasons: dict[str, list[str]] = {}
    for pair in pairs:
        if pair.mcnemar is None:
            reasons.setdefault(pair.why_not, []).append(pair.run)
    for why, runs in reasons.items():
        yield f"{', '.join(runs)}: no McNemar test, for {why}"
