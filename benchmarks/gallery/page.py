"""examples/README.md: the gallery as a page, from its rows, its job files and what was measured."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks.gallery.kept import Result, disagreement
from benchmarks.gallery.rows import STUDIES, Row, Study
from benchmarks.gallery.runs import FOLDER
from benchmarks.table import CHECKOUT
from ftctl import JobFile, statistics

PAGE = CHECKOUT / "examples/README.md"
HEAD = """\
# Examples

| folder | holds |
|---|---|
| [ants-bees](ants-bees/README.md) | two jobs on the photos of PyTorch's tutorial |
| [torchvision](torchvision/README.md) | torchvision's recipes v1 and v2 |
| [table](table/README.md) | five sets of images; [what they reach](../docs/accuracy.md) |
| [demo](demo) | what `make demo` runs |
| [gallery](gallery) | three reports on fine-tuning, row by row: below |

`ftctl submit FILE --dry-run` names the data and the weights that a file needs and that are missing;
`--set` says where they are, such as `--set data.torchvision.path=/data/cifar10`.
A test runs every file, changed in nothing but these, its length, batches and image size.

# The gallery

Three reports of people who learned fine-tuning, each of their rows as a job file: what the report
said, what its code did, and what comes out here.
Written by `python -m benchmarks.gallery` from the job files and from what it measured, kept in
[results.json](../docs/gallery/results.json); not to be edited.
Eight of the runs are [compared with `ftctl compare`](../docs/gallery/README.md).

How to read it:

- *we get*: accuracy of the best epoch on validation images, the count, and Wilson's 95 % interval.
  The best epoch is chosen on the same images, which flatters all rows alike. One run each, seed 0.
- *against*: the difference from the baseline on the same images, how many of them the row alone and
  the baseline alone has right, and McNemar's exact p by Holm for the rows of a table. **Noise** is
  what it cannot tell from chance (p of 0.05 or more): do not lay it to the setting.
- *best*: which epoch, of how many. *time*: wall time, on one core that other work shared; *work*:
  the processor time in it, which is what compares.
- *trains*: parameters that train, of all. *kept for backward*: bytes that a batch's forward pass
  keeps, counted. *peak*: the most that the process held, measured; it has torch and its libraries,
  shared with others, and the loader's batches in it. *MACs*: of one image's forward pass.
"""
SETS = {
    "ants-bees": "ants and bees", "cifar": "CIFAR-10", "cars": "ten cars",
    "flowers5": "five flowers",
}  # fmt: skip
LEVEL = 0.05
_NOTHING = "–"


def page(results: Mapping[str, Result]) -> str:
    """Return the page as Markdown."""
    parts = [HEAD, *_hardware(results), ""]
    for study in STUDIES:
        parts += [f"## {study.title}", "", study.about, "", *_said(study, results), ""]
        for photos in study.sets:
            parts += [f"### {study.title.partition(':')[0]} on {SETS[photos]}", ""]
            parts += [*_measured(study, photos, results), ""]
        parts += [*_changed(study, results), ""]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(parts)).rstrip() + "\n"


# --- what a report said -----------------------------------------------------------------------


def _said(study: Study, results: Mapping[str, Result]) -> Iterator[str]:
    heads = [f"we get: {SETS[photos]}" for photos in study.sets]
    yield f"| row | the report said | its code did | {' | '.join(heads)} |"
    yield "|---" * (3 + len(heads)) + "|"
    for row in study.rows:
        cells = [_linked(row), row.said or _NOTHING, row.did or _NOTHING]
        cells += [_got(row, photos, results) for photos in study.sets]
        yield f"| {' | '.join(cells)} |"


def _linked(row: Row) -> str:
    return f"[{row.item}](gallery/{row.file})"


def _got(row: Row, photos: str, results: Mapping[str, Result]) -> str:
    found = [results[name] for name in row.runs if name in results]
    for result in found:
        if result.photos == photos:
            return f"**{result.accuracy:.3f}** {result.low:.3f} to {result.high:.3f}"
    return _NOTHING


# --- what came of it --------------------------------------------------------------------------


def _measured(study: Study, photos: str, results: Mapping[str, Result]) -> Iterator[str]:
    """Yield a table of all runs of a study on one set of photos."""
    shown = [
        (row, results[name])
        for row in study.rows
        for name in row.runs
        if name in results and results[name].photos == photos
    ]
    if not shown:
        return
    base = next((result for row, result in shown if _is_base(study, row)), shown[0][1])
    against = _against(base, [result for _, result in shown])
    first = shown[0][1]
    yield f"{first.train:,} photos to train on, {first.val:,} to validate on."
    yield ""
    yield (
        "| row | accuracy | 95 % | against | best | time | work | trains | kept for backward "
        "| peak | MACs |"
    )
    yield "|---|---|---|---|---|---|---|---|---|---|---|"
    for (row, result), told in zip(shown, against, strict=True):
        yield f"| {' | '.join([_linked(row), *_figures(result, told)])} |"
    yield ""
    yield _summed_up(against)


def _summed_up(against: Sequence[str]) -> str:
    """Say how many of the differences are more than chance."""
    judged = [told for told in against if ": " in told]
    shown = sum(not told.startswith("noise") for told in judged)
    if not judged:
        return "Nothing can be said of the differences."
    are = "is" if shown == 1 else "are"
    return (
        f"Of {len(judged)} differences from the baseline {shown or 'none'} {are} more than noise."
    )


def _is_base(study: Study, row: Row) -> bool:
    return row.file.rpartition("/")[2] in (
        f"{study.baseline}.yaml", f"cifar10-{study.baseline}.yaml",
    )  # fmt: skip


def _figures(result: Result, against: str) -> Iterator[str]:
    yield f"**{result.accuracy:.3f}** ({result.correct} of {result.val})"
    yield f"{result.low:.3f} to {result.high:.3f}"
    yield against
    yield f"{result.best_epoch} of {result.epochs}"
    yield f"{result.seconds:.0f} s"
    yield f"{result.seconds * result.share:.0f} s"
    yield f"{_short(result.parameters_trained)} of {_short(result.parameters)}"
    yield _bytes(result.activation_bytes)
    yield _bytes(result.memory_bytes)
    yield f"{result.macs / 1e6:.0f} M" if result.macs is not None else _NOTHING


def _against(base: Result, others: Sequence[Result]) -> list[str]:
    """Return what may be said of each run against the baseline, on the same images."""
    split = [None if other is base else disagreement(base.right, other.right) for other in others]
    tests = [statistics.mcnemar(*counts) for counts in split if counts is not None]
    adjusted = iter(statistics.holm(tests))
    told = []
    for other, counts in zip(others, split, strict=True):
        if other is base:
            told.append("the baseline")
        elif counts is None:
            told.append(_NOTHING)
        else:
            told.append(_verdict(other.accuracy - base.accuracy, counts, next(adjusted)))
    return told


def _verdict(difference: float, counts: tuple[int, int], p: float) -> str:
    word = "noise" if p >= LEVEL else f"**{'better' if difference > 0 else 'worse'}**"
    shown = "< 0.001" if p < 0.001 else f"{p:.2f}" if p >= 0.01 else f"{p:.3f}"
    p_text = f"p {shown}" if shown.startswith("<") else f"p = {shown}"
    return f"{word}: {difference:+.3f}, {counts[1]} : {counts[0]}, {p_text}"


def _bytes(count: int) -> str:
    return f"{count / 2**20:.0f} MiB" if count >= 2**20 else f"{count / 2**10:.0f} KiB"


def _short(count: int) -> str:
    return f"{count / 1e6:.2f} M" if count >= 100_000 else f"{count:,}"


# --- what was changed -------------------------------------------------------------------------


def _changed(study: Study, results: Mapping[str, Result]) -> Iterator[str]:
    """Yield what the runs changed of their files: what all of a set share, and what some alone."""
    for photos in study.sets:
        found = {
            row.item: results[name]
            for row in study.rows
            for name in row.runs
            if name in results and results[name].photos == photos
        }
        if not found:
            continue
        each = {item: _overrides(result) for item, result in found.items()}
        times = Counter(text for texts in each.values() for text in texts)
        common = [text for text, count in times.items() if 2 * count > len(each)]
        yield f"Changed of the files for {SETS[photos]}: {', '.join(common)}."
        yield ""
        for item, texts in each.items():
            more = [text for text in texts if text not in common]
            if more:
                yield f"- {item}: {', '.join(more)}"
        yield ""


def _overrides(result: Result) -> list[str]:
    """Write what was changed as it is typed after --set; sizes apart from the rest of a map."""
    told: list[str] = []
    for field, value in result.overrides.items():
        if field == "data.preprocess":
            told += [f"`{field}.{key}={_plain(each)}`" for key, each in value.items()]
        elif field != "name":
            told.append(f"`{field}={_plain(value)}`")
    return told


def _plain(value: Any) -> str:
    """Write a value as it is typed after --set."""
    match value:
        case None:
            return "null"
        case dict():
            return f"{{{', '.join(f'{key}: {_plain(each)}' for key, each in value.items())}}}"
        case list():
            return f"[{', '.join(map(_plain, value))}]"
        case _:
            return str(value)


def _hardware(results: Mapping[str, Result]) -> list[str]:
    """Return a line for each machine that measured, with the days."""
    days: dict[str, set[str]] = {}
    for result in results.values():
        days.setdefault(result.machine, set()).add(result.measured)
    return [
        f"Measured on {machine} on {', '.join(sorted(when))}." for machine, when in days.items()
    ]


def files() -> list[str]:
    """Return all job files of the gallery, below its folder."""
    found = sorted(str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*.yaml"))
    assert all(not JobFile.read(FOLDER / file).faults for file in found)
    return found
