"""What evaluating a job again comes to, and what can be evaluated on."""

import os
from dataclasses import dataclass
from pathlib import Path

from ftctl.address import Address, Server
from ftctl.errors import BadInput
from ftctl.scores import ClassScore, Evaluation, Score

DATASET = "dataset:"
"""Begins what means a pushed data set."""
SPLITS = ("val", "train", "test")


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationProgress:
    """How far an evaluation is, in images."""

    done: int
    images: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationReport:
    """What a job's net makes of labelled images."""

    images: str
    """What they are called: `the validation images of pets`, a path, `dataset:pets/val`."""
    evaluation: Evaluation
    """Its split is empty where the images are not the job's own."""
    left_out: dict[str, str]
    """Images that could not be read, which do not count, and why; the first thousand."""
    left_out_count: int
    notices: tuple[str, ...]
    verdicts: bytes = b""
    """A CSV file: image, label, predicted, confidence; empty where it was not asked for."""
    confusion: bytes = b""
    """A PNG file; empty where it was not asked for."""

    @property
    def score(self) -> Score:
        """Loss, accuracy and the other measures."""
        return self.evaluation.score

    @property
    def classes(self) -> tuple[ClassScore, ...]:
        """Every class, in the model's order."""
        return self.evaluation.classes


def images(data: str, split: str, *, address: Address) -> dict[str, str]:
    """Return the field of the request that says which images are meant.

    Raises:
        BadInput: where both are said, or a path that means nothing to the daemon.
    """
    if not data:
        return {"split": split}
    if split:
        raise BadInput("say either split, for images of the job itself, or data, for others")
    if data.startswith(DATASET):
        return {"dataset": data.removeprefix(DATASET).rstrip("/")}
    if Path(data).is_absolute():
        return {"path": data}
    if isinstance(address, Server):
        raise BadInput(
            f"data: `{data}` is relative, and the daemon is on another machine; say the absolute "
            "path there, or push the images with `ftctl dataset push` and say dataset:NAME"
        )
    return {"path": os.path.normpath(Path(data).absolute())}
