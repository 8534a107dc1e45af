"""What the gallery's runs have reached, kept as JSON run by run."""

import csv
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from benchmarks.gallery.runs import Run
from benchmarks.table import CHECKOUT
from ftctl import Job
from fttrain.spec import basing, named
from fttrain.spec.merging import merged

KEPT = CHECKOUT / "docs/gallery/results.json"
VERDICTS = ("artifacts", "verdicts.csv")


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one run reached, and what it ran on."""

    recipe: str
    """Digest of the recipe that ran."""
    file: str
    photos: str
    overrides: Mapping[str, Any]
    """What was changed of the file."""
    measured: str
    """The day."""
    machine: str
    train: int
    """Images."""
    val: int
    epochs: int
    best_epoch: int
    correct: int
    accuracy: float
    low: float
    high: float
    last: float
    """The accuracy of the last epoch."""
    course: tuple[float, ...]
    """Validation accuracy, epoch by epoch."""
    parameters: int
    parameters_trained: int
    activation_bytes: int
    """What one batch's forward pass keeps for its backward pass, counted."""
    memory_bytes: int
    """The most that the job held, measured."""
    macs: int | None
    """Of one image; None where the plan does not tell."""
    seconds: float
    """How long it held the processor."""
    right: str = ""
    """A bit for each validation image, in the order of their names, as hexadecimal digits: 1 where
    the best checkpoint judged it rightly. Empty: no table told."""
    share: float
    """Of the time it held its cores: how much of it they worked for it."""

    @classmethod
    def of(cls, run: Run, job: Job, *, machine: str, processor_s: float) -> Self:
        """Return what an ended job has reached; it took `processor_s` of processor time."""
        trained = [epoch for epoch in job.epochs if epoch.train is not None]
        scored = [(epoch.epoch, epoch.val) for epoch in trained if epoch.val is not None]
        best_epoch, best = max(scored, key=lambda pair: (pair[1].accuracy, -pair[0]))
        assert job.plan is not None
        assert job.end_time is not None
        plan = job.plan
        return cls(
            recipe=digest(run), file=run.file, photos=run.photos, overrides=dict(run.overrides),
            measured=job.end_time.date().isoformat(), machine=machine,
            train=plan["data"]["train"]["images"], val=plan["data"]["val"]["images"],
            epochs=len(trained), best_epoch=best_epoch, correct=best.correct,
            accuracy=best.accuracy, low=best.accuracy_low, high=best.accuracy_high,
            last=scored[-1][1].accuracy, course=tuple(round(v.accuracy, 5) for _, v in scored),
            parameters=plan["parameters"], parameters_trained=plan["parameters_trained"],
            activation_bytes=plan["activation_bytes"], macs=plan.get("macs"),
            right=bits(Path(job.run_dir, *VERDICTS)),
            memory_bytes=max(epoch.memory_bytes for epoch in trained),
            seconds=round(job.device_seconds, 1),
            share=round(processor_s / job.device_seconds / plan["threads"], 3),
        )  # fmt: skip


def bits(verdicts: Path) -> str:
    """Return which images a table of verdicts calls right."""
    if not verdicts.exists():
        return ""
    with verdicts.open(newline="") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: row["image"])
    told = "".join("1" if row["label"] == row["predicted"] else "0" for row in rows)
    return f"{int('1' + told, 2):x}"


def disagreement(first: str, second: str) -> tuple[int, int] | None:
    """Return how many images the first alone has right, and the second alone; None: not told."""
    if not first or not second:
        return None
    one, other = int(first, 16), int(second, 16)
    assert one.bit_length() == other.bit_length(), "these are not the same images"
    return (one & ~other).bit_count(), (other & ~one).bit_count()


def digest(run: Run) -> str:
    """Return the digest of a run's recipe, merged over the one that it is based on.

    Comments and layout do not count.
    """
    said = json.loads(run.job_file().request.recipe_json)
    base = said.pop(basing.KEY, "")
    whole = merged(named.get(base).recipe, said) if base else said
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()[:12]


def kept(runs: Mapping[str, Run]) -> dict[str, Result]:
    """Return what has been measured of the runs as they are now."""
    if not KEPT.exists():
        return {}
    body = json.loads(KEPT.read_text())
    rows = {name: Result(**{**row, "course": tuple(row["course"])}) for name, row in body.items()}
    return {
        name: row for name, row in rows.items() if name in runs and row.recipe == digest(runs[name])
    }


def keep(results: Mapping[str, Result]) -> None:
    """Write the results."""
    body = {name: asdict(result) for name, result in sorted(results.items())}
    KEPT.parent.mkdir(parents=True, exist_ok=True)
    KEPT.write_text(json.dumps(body, indent=1) + "\n")
