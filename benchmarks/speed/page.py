"""The section of docs/benchmarks.md that is about speed, from the samples and nothing else."""

from collections.abc import Iterator, Mapping, Sequence

from benchmarks.speed import figures, floors
from benchmarks.speed.contests import CONTESTS, Start
from benchmarks.speed.figures import Figure, Spread
from benchmarks.speed.floors import Floor
from benchmarks.speed.goals import GOALS
from benchmarks.speed.samples import Kept, Sample

TITLE = "Speed beside other ways"
PICTURE = "pictures/speed.svg"
_HEAD = """\
The same training by others and by us, in turns, on {machine}, {date}: {rounds}.
The others run in an environment of their own (benchmarks/peers/constraints.txt), {versions}.
Figures are medians (least to greatest); a ratio's range is what both spreads allow.
{quick}
![ratios](pictures/speed.svg)

| what | others | ours | ratio | goal | floor | accuracy |
|---|---|---|---|---|---|---|"""
_TAIL = """\
- *others*: the best that the row compares with. \\*: run for fewer epochs, the rest extrapolated by
  the median epoch. *tuned*: bf16 by autocast and channels_last, the best of 0, 1 and 2 loader
  workers; else as its quick start has it (tutorial: 4 workers, timm: 1, fastai: one per core,
  Lightning: none). fastai has no switch for bf16 on a processor, so its callback is handed one;
  timm's loader leaves out the last, smaller batch.
- *epoch*: training and evaluation. *25 epochs*: from exec to exit, ours from typing `ftctl submit`
  to SUCCEEDED on a daemon that has run a job of nothing. *cached*: an earlier job of the same
  daemon has left what the frozen part makes of these images.
- *goal*: holds where the ratio reaches it and accuracy is not below the others' interval.
- *floor*: the ratio where ours took no longer than its parts measured alone, and by how much ours
  takes longer than they do. Parts: {parts}.
- *img/s*, below: training images of an epoch by its whole time, evaluation included.
- *accuracy*: best validation, others' with Wilson's 95 % and ours, both after so many epochs as the
  shorter of the two had; median over the runs.
"""
_RUNS = """\
### Every contestant

| contest | who | runs | epoch | img/s | whole run | in | workers | memory | CPU | correct |
|---|---|---|---|---|---|---|---|---|---|---|"""


def section(kept: Kept) -> str:
    """Return the section as Markdown."""
    rows, probes = found(kept), kept.probes
    rounds = max((each.runs for each in rows.values()), default=0)
    quick = "**A quick run on few images: it shows that all works, and no more.**\n"
    head = _HEAD.format(
        machine=kept.about["machine"], date=kept.date,
        rounds="one round" if rounds <= 1 else f"up to {rounds} rounds",
        versions=", ".join(_versions(kept)), quick=quick if kept.about["quick"] else "",
    )  # fmt: skip
    body = [row(each, floors.floor(probes, name, each)) for name, each in rows.items()]
    parts = _parts(probes, rows)
    every = [_contestant(name, who, kept.of(name, who)) for name, who in _everyone(kept)]
    tail = _TAIL.format(parts="; ".join(parts))
    return "\n".join([f"## {TITLE}", "", head, *body, "", tail, _RUNS, *every, ""])


def placed(page: str, section: str) -> str:
    """Return a page with the section instead of the one that it has, or at its end."""
    before, _, after = page.partition(f"## {TITLE}\n")
    rest = after.find("\n## ")
    tail = after[rest + 1 :] if rest >= 0 else ""
    return f"{before.rstrip()}\n\n{section.rstrip()}\n" + (f"\n{tail}" if tail else "")


def found(kept: Kept) -> dict[str, Figure]:
    """Return the rows that have figures."""
    made = {name: figures.figure(kept, goal) for name, goal in GOALS.items()}
    return {name: each for name, each in made.items() if each is not None}


def row(figure: Figure, floor: Floor | None) -> str:
    """Return one row of the table."""
    goal = figure.goal
    star = "\\*" if figure.is_extrapolated else ""
    verdict = "" if figure.holds else " **missed**"
    cells = (
        goal.what,
        f"{figure.rival}: {said(figure.theirs, goal.measure)}{star}",
        f"{said(figure.ours, goal.measure)}" + (f", {figure.precision}" * bool(figure.precision)),
        f"**{_digits(figure.ratio.median)}** "
        f"({_digits(figure.ratio.least)} to {_digits(figure.ratio.most)})",
        f"{goal.text}{verdict}",
        _beside(figure, floor),
        _accuracy(figure),
    )
    return f"| {' | '.join(cells)} |"


def said(spread: Spread, measure: str) -> str:
    """Return a spread in the unit of its measure."""
    match measure:
        case "rate":
            each = (1 / spread.median, 1 / spread.most, 1 / spread.least)
            unit, digits = "img/s", 0
        case "start":
            each = (1000 * spread.median, 1000 * spread.least, 1000 * spread.most)
            unit, digits = "ms", 0
        case "memory":
            each, unit, digits = (spread.median, spread.least, spread.most), "MB", 0
        case _:
            each, unit = (spread.median, spread.least, spread.most), "s"
            digits = 2 if spread.median < 10 else 1
    median, least, most = (f"{one:,.{digits}f}" for one in each)
    return f"{median} {unit} ({least} to {most})"


def _digits(ratio: float) -> str:
    return f"{ratio:.3f}" if ratio < 1.1 else f"{ratio:.2f}" if ratio < 10 else f"{ratio:,.0f}"


def _beside(figure: Figure, floor: Floor | None) -> str:
    if floor is None:
        return ""
    over = figure.ours.median / floor.value
    return f"{_digits(floor.ratio(figure))}; ours {_digits(over)} times its parts"


def _accuracy(figure: Figure) -> str:
    told = figure.accuracy
    if told is None:
        return ""
    low, high = told.interval
    worse = "" if told.is_as_good else " **worse**"
    epochs = f"{told.epochs} epoch{'s' if told.epochs > 1 else ''}"
    return (
        f"{told.theirs / told.count:.3f} ({low:.3f} to {high:.3f}), "
        f"{told.ours / told.count:.3f}{worse} after {epochs}"
    )


def _parts(probes: floors.Probes, rows: Mapping[str, Figure]) -> Sequence[str]:
    """Return what floors are made of, each once, with the rows it is of."""
    made: dict[str, list[str]] = {}
    for name, figure in rows.items():
        if (floor := floors.floor(probes, name, figure)) is not None:
            made.setdefault(floor.made_of, []).append(name)
    return [f"{what} ({', '.join(names)})" for what, names in made.items()]


def _versions(kept: Kept) -> Sequence[str]:
    told = {
        sample.version: None
        for name, who in _everyone(kept)
        for sample in kept.of(name, who)
        if sample.version and not who.startswith("ours")
    }
    return sorted(told)


def _everyone(kept: Kept) -> Iterator[tuple[str, str]]:
    for name in CONTESTS:
        yield from ((name, who) for who in kept.contestants(name))


def _contestant(name: str, who: str, samples: Sequence[Sample]) -> str:
    first, turn = samples[0], CONTESTS[name].turns.get(who)
    measure = "start" if isinstance(turn, Start) else "epoch"
    epochs = [second for sample in samples for second in sample.epochs_s]
    right = " ".join(f"{sample.best(len(sample.correct))}" for sample in samples if sample.correct)
    cells = (
        name,
        who,
        str(len(samples)),
        said(Spread.of(epochs), measure),
        f"{first.images / Spread.of(epochs).median:,.0f}" if first.images else "",
        "" if measure == "start" else said(Spread.of([each.whole_s for each in samples]), "whole"),
        f"{first.precision}, {first.layout}" if first.precision else "",
        "" if measure == "start" else str(first.workers),
        f"{max(sample.peak_mb for sample in samples):,.0f} MB" if first.peak_mb else "",
        f"{Spread.of([each.cpu_s for each in samples]).median:.1f} s" if first.cpu_s else "",
        f"{right} of {first.count}" if right else "",
    )
    return f"| {' | '.join(cells)} |"
