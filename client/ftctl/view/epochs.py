"""The epoch table: one line per epoch, as wide as the terminal has room for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.text import Text

from ftctl.models import Epoch
from ftctl.scores import Score
from ftctl.view import text

MARGIN = " "
GAP = "  "
BEST = " ★"
SPREAD_COLUMNS = 24

LEGEND = (
    "★ marks the best epoch so far; the line that a wide terminal draws goes from 0 to 100 %: "
    "● is the validation accuracy, the thin part around it its 95 % (Wilson) interval."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column: its heading, its width, and what it says of an epoch."""

    title: str
    width: int
    cell: Callable[[Epoch], Text | str]
    group: str = ""
    """Columns of one group stand under a common heading."""
    needed: int = 0
    """Columns are left out from the largest number on, until the rest fits."""


def _spread(epoch: Epoch) -> Text:
    """Draw accuracy and interval on a line from 0 to 100 %."""
    if epoch.val is None:
        return Text("")
    low, middle, high = (
        min(int(share * SPREAD_COLUMNS), SPREAD_COLUMNS - 1)
        for share in (epoch.val.accuracy_low, epoch.val.accuracy, epoch.val.accuracy_high)
    )
    line = Text("━" * low, "accent")
    line.append("─" * (middle - low), "label")
    line.append("●", "accent")
    line.append("─" * (high - middle), "label")
    line.append("·" * (SPREAD_COLUMNS - high - 1), "bar.back")
    return line


def _learning_rate(epoch: Epoch) -> str:
    # The first group's; an evaluation before any training has none.
    return text.learning_rate(epoch.lrs[0]) if epoch.lrs else "–"


def _val(show: Callable[[Score], str], style: str = "") -> Callable[[Epoch], Text]:
    return lambda epoch: Text(show(epoch.val), style) if epoch.val else Text("–", "label")


def _train(show: Callable[[Score], str]) -> Callable[[Epoch], str]:
    return lambda epoch: show(epoch.train) if epoch.train else "–"


COLUMNS = (
    Column(title="epoch", width=5, cell=lambda epoch: str(epoch.epoch)),
    Column(title="loss", width=6, group="train", cell=_train(lambda s: text.loss(s.loss)),
           needed=1),
    Column(title="acc %", width=5, group="train", cell=_train(lambda s: text.percent(s.accuracy)),
           needed=4),
    Column(title="loss", width=6, group="validation", cell=_val(lambda s: text.loss(s.loss))),
    Column(title="acc %", width=5, group="validation",
           cell=_val(lambda s: text.percent(s.accuracy), "title")),
    Column(title="95 %", width=10, group="validation",
           cell=_val(text.interval, "label"), needed=2),
    Column(title="", width=SPREAD_COLUMNS, group="validation", cell=_spread, needed=8),
    Column(title="lr", width=6, cell=_learning_rate, needed=5),
    Column(title="img/s", width=5, cell=lambda epoch: text.rate(epoch.images_per_second), needed=6),
    Column(title="mem", width=6, cell=lambda epoch: text.size(epoch.memory_bytes), needed=7),
    Column(title="time", width=5, cell=lambda epoch: text.seconds(epoch.seconds), needed=3),
)  # fmt: skip


def chosen(width: int) -> tuple[Column, ...]:
    """Return the columns that fit a terminal."""
    columns = list(COLUMNS)
    while len(MARGIN) + span(columns) + len(BEST) > width and any(
        column.needed for column in columns
    ):
        columns.remove(max(columns, key=lambda column: column.needed))
    return tuple(columns)


def span(columns: Sequence[Column]) -> int:
    """Return how far it is from the first column's left edge to the last one's right edge."""
    return sum(column.width for column in columns) + len(GAP) * (len(columns) - 1)


def heading(columns: tuple[Column, ...]) -> list[Text]:
    """Return the two lines above the rows."""
    above, titles = Text(MARGIN, style="label"), Text(MARGIN, style="label")
    groups = [column.group for column in columns]
    for index, column in enumerate(columns):
        gap = GAP if index else ""
        titles.append(gap + column.title.rjust(column.width))
        if not column.group:
            above.append(gap + " " * column.width)
        elif column.group not in groups[:index]:
            members = [member for member in columns if member.group == column.group]
            above.append(gap + f" {column.group} ".center(span(members), "─"))
    above.rstrip()
    return [above, titles]


def row(epoch: Epoch, columns: tuple[Column, ...]) -> Text:
    """Return the line of an epoch."""
    line = Text(MARGIN, no_wrap=True, overflow="ellipsis")
    for index, column in enumerate(columns):
        cell = column.cell(epoch)
        cell = cell if isinstance(cell, Text) else Text(cell)
        line.append(GAP if index else "")
        line.append(" " * (column.width - cell.cell_len))
        line.append_text(cell)
    line.append(BEST if epoch.best else "", "good")
    return line
