"""What the best checkpoint of a job said of each validation image."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ftctl.errors import BadInput

KIND = "table/verdicts"
"""Of the artifact that holds them."""
HEADER = ("image", "label", "predicted", "confidence")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdicts:
    """One row per image, all in the same order."""

    images: tuple[str, ...]
    """By the name that a user knows it by."""
    labels: tuple[str, ...]
    predicted: tuple[str, ...]
    confidence: tuple[float, ...]
    """The probability of the predicted class."""

    def answers(self) -> dict[tuple[str, str, int], bool]:
        """Return whether each image was judged rightly, by name, class, and which of that name."""
        seen: dict[tuple[str, str], int] = {}
        answers = {}
        for image, label, said in zip(self.images, self.labels, self.predicted, strict=True):
            place = seen[image, label] = seen.get((image, label), -1) + 1
            answers[image, label, place] = said == label
        return answers

    def rows(self) -> list[list[Any]]:
        """Return it as plain rows: image, label, predicted, confidence."""
        columns = (self.images, self.labels, self.predicted, self.confidence)
        return [list(row) for row in zip(*columns, strict=True)]


def of_file(path: Path) -> Verdicts:
    """Read the artifact. Raises BadInput."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    if not rows or tuple(rows[0]) != HEADER:
        raise BadInput(f"{KIND} does not begin with {','.join(HEADER)}")
    return of_rows(rows[1:])


def of_rows(rows: Sequence[Sequence[Any]]) -> Verdicts:
    """Read plain rows. Raises BadInput."""
    try:
        read = [_row(row) for row in rows]
    except (TypeError, ValueError):
        raise BadInput(f"a row of the verdicts is not {','.join(HEADER)}") from None
    images, labels, predicted, confidence = zip(*read, strict=True) if read else ((), (), (), ())
    return Verdicts(images=images, labels=labels, predicted=predicted, confidence=confidence)


def _row(row: Sequence[Any]) -> tuple[str, str, str, float]:
    image, label, predicted, confidence = row
    return str(image), str(label), str(predicted), float(confidence)
