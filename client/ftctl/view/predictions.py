"""What a model says of images: as a table that grows, as CSV, as JSON."""

import csv
import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

from ftctl.predictions import Prediction
from ftctl.view import console as consoles
from ftctl.view import text

GAP = "  "
PERCENT_COLUMNS = 5
BAR_COLUMNS = 20
LONGEST_LABEL = 24
SHORTEST_PATH = 12
WIDE = 72


class Sheet(Protocol):
    """Takes answers as they come."""

    def add(self, answer: Prediction) -> None:
        """Show an answer."""

    def end(self) -> None:
        """Show what comes after the last one."""


class Table:
    """A line per image. In a terminal all fits its width: of a long path the end is shown."""

    def __init__(
        self, console: Console, paths: Sequence[Path], classes: Sequence[str], *, top: int
    ) -> None:
        self._console = console
        self._top = top
        self._counts: Counter[str] = Counter()
        longest = max((cell_len(_clean(path)) for path in paths), default=0)
        self._label = max(min(max(map(cell_len, classes), default=0), LONGEST_LABEL), 5)
        self._has_bar = console.is_terminal and top == 1 and console.width >= WIDE
        self._path = max(longest, 5)
        if console.is_terminal:
            beside = BAR_COLUMNS if self._has_bar else console.width // 3 * (top > 1)
            taken = self._label + PERCENT_COLUMNS + beside + 3 * len(GAP)
            self._path = max(min(self._path, console.width - taken), SHORTEST_PATH)
        self._show(Text("image", "label"), Text("label", "label"), Text("    %", "label"))

    def add(self, answer: Prediction) -> None:
        """Show an answer."""
        self._counts[answer.label] += 1
        shown = Text(text.percent(answer.probability).rjust(PERCENT_COLUMNS))
        rest = ", ".join(f"{_clean(label)} {text.percent(p)}" for label, p in self._others(answer))
        path = Text(_end(_clean(answer.path), self._path))
        beside = _bar(answer.probability) if self._has_bar else Text(rest, "label")
        self._show(path, Text(_clean(answer.label), "title"), shown, beside)

    def end(self) -> None:
        """Show how many images are of each class."""
        total = sum(self._counts.values())
        if self._console.is_terminal and total > 1:
            each = ", ".join(f"{_clean(k)} {v:,}" for k, v in self._counts.most_common())
            told = Text(f"\n{text.counted(total, 'image')}: {each}", "label")
            consoles.show(self._console, [told])

    def _others(self, answer: Prediction) -> Sequence[tuple[str, float]]:
        return answer.top[1 : self._top]

    def _show(self, path: Text, label: Text, percent: Text, beside: Text | None = None) -> None:
        line = Text(no_wrap=True, overflow="ellipsis" if self._console.is_terminal else "ignore")
        path.pad_right(self._path - path.cell_len)
        if self._console.is_terminal:
            label.truncate(self._label, overflow="ellipsis")
        label.pad_right(self._label - label.cell_len)
        for position, cell in enumerate([path, label, percent, *([beside] if beside else [])]):
            line.append(GAP if position else "").append_text(cell)
        line.rstrip()
        consoles.show(self._console, [line])


class Csv:
    """A line per image after a heading, at full precision."""

    def __init__(self, *, top: int) -> None:
        self._writer = csv.writer(sys.stdout, lineterminator="\n")
        self._top = top
        more = [f"{name}_{rank}" for rank in range(2, top + 1) for name in ("label", "probability")]
        self._writer.writerow(["path", "label", "probability", *more])

    def add(self, answer: Prediction) -> None:
        """Show an answer."""
        others = [value for pair in answer.top[1 : self._top] for value in pair]
        missing = 2 * (self._top - 1) - len(others)
        row = [answer.path, answer.label, answer.probability, *others]
        self._writer.writerow(row + [""] * missing)
        sys.stdout.flush()

    def end(self) -> None:
        """Show nothing more."""


class Json:
    """An array of images, whole also where an image ends it early."""

    def __init__(self, *, top: int) -> None:
        self._top = top
        self._before = "[\n"

    def add(self, answer: Prediction) -> None:
        """Show an answer."""
        top = [{"label": label, "probability": p} for label, p in answer.top[: self._top]]
        told = {
            "path": str(answer.path), "label": answer.label, "probability": answer.probability,
            "top": top,
        }  # fmt: skip
        sys.stdout.write(f"{self._before}  {json.dumps(told, ensure_ascii=False)}")
        self._before = ",\n"

    def end(self) -> None:
        """Close the array."""
        sys.stdout.write("[]\n" if self._before == "[\n" else "\n]\n")


def _bar(probability: float) -> Text:
    full = round(probability * BAR_COLUMNS)
    return Text("━" * full, "accent").append("·" * (BAR_COLUMNS - full), "bar.back")


def _clean(name: str | Path) -> str:
    return text.clean(str(name))


def _end(path: str, columns: int) -> str:
    """Return the end of a path that is too long: there its name stands."""
    if cell_len(path) <= columns:
        return path
    while cell_len(path) > columns - 1:
        path = path[1:]
    return set_cell_size(f"…{path}", columns)
