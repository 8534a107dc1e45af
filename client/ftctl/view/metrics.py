"""The epochs of a job with all their figures: as a table, as CSV, as JSON."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any

from rich.console import Console
from rich.text import Text

from ftctl.models import Epoch
from ftctl.scores import Score
from ftctl.view import epochs as table

SCORE = [field.name for field in fields(Score)]


def lines(epochs: Sequence[Epoch], console: Console) -> list[Text]:
    """Return the table that the terminal has room for; in a pipe, with every column."""
    columns = table.chosen(console.width) if console.is_terminal else table.COLUMNS
    told = [*table.heading(columns), *(table.row(epoch, columns) for epoch in epochs)]
    for line in told:
        line.no_wrap = True
        line.overflow = "ellipsis" if console.is_terminal else "ignore"
    return told


def as_json(epochs: Sequence[Epoch]) -> str:
    """Return the epochs as an array."""
    return json.dumps([asdict(epoch) for epoch in epochs], indent=2)


def as_csv(epochs: Sequence[Epoch]) -> str:
    """Return a line per epoch after a heading; a figure that an epoch lacks is empty."""
    groups = max((len(epoch.lrs) for epoch in epochs), default=1)
    out = io.StringIO()
    writer = csv.DictWriter(out, _titles(groups), lineterminator="\n")
    writer.writeheader()
    writer.writerows(_flat(epoch) for epoch in epochs)
    return out.getvalue()


def _titles(groups: int) -> list[str]:
    return [
        "epoch", "step", "repeat", "stage",
        *(f"{split}_{name}" for split in ("train", "val") for name in SCORE),
        *(f"lr_{index}" for index in range(groups)),
        "images_per_second", "memory_bytes", "seconds", "best",
    ]  # fmt: skip


def _flat(epoch: Epoch) -> dict[str, Any]:
    told = asdict(epoch)
    for split in ("train", "val"):
        scores = told.pop(split) or {}
        told |= {f"{split}_{name}": value for name, value in scores.items()}
    told |= {f"lr_{index}": value for index, value in enumerate(told.pop("lrs"))}
    return told | {"best": str(epoch.best).lower()}
