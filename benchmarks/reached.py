"""What the jobs of the accuracy table have reached: kept as JSON, told as a page.

docs/accuracy.json is measured, docs/accuracy.md is written from it and from nothing else.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from benchmarks.table import CHECKOUT
from ftctl import Job, JobFile

FOLDER = CHECKOUT / "examples/table"
KEPT = CHECKOUT / "docs/accuracy.json"
PAGE = CHECKOUT / "docs/accuracy.md"
SETS = {
    "ants-bees": "Ants and bees: the photos of PyTorch's tutorial on transfer learning.",
    "cars": "Ten of the 196 models of Stanford's cars.",
    "flowers5": "Five kinds of flowers in small photos; a stratified split holds out a fifth, and "
    "at most 100 of each kind are taken on either side.",
    "cifar": "CIFAR-10 as JPEG files, 32 x 32 pixels: a subset of its training images, and of "
    "its test images to validate on. `cifar-pretrained` sees them enlarged, and a fifth of the "
    "training images only.",
    "digits": "scikit-learn's digits, 8 x 8 pixels, with noise and twenty labels of each; "
    "pretrained means on clean ones, by `digits-clean`.",
}
HEAD = """\
# What the shipped job files reach

Written by `python -m benchmarks.accuracy` from what it measured, kept in
[accuracy.json](accuracy.json): each job of [examples/table](../examples/table/README.md), with seed
0, through a daemon of its own on the processor, two jobs at a time, each on half of the cores.
Every run has at least 10 epochs and ends when validation has not improved for 5, or after 40.
"""
TAIL = """\
- *accuracy*: the best epoch's, on its validation images, with Wilson's 95 % interval. That epoch
  was chosen on the same images, and so were settings of most recipes, after a try or two with
  others; both flatter. One run each: a difference within the intervals says nothing.
- *train*, *val*: images. *epochs*: how many were trained; in brackets the best one.
- *drop*: what the accuracy had lost again by the last epoch.
- *time*: for how long the job held the processor: decoding, validation, export and pictures
  included. *img/s*: training images per second, the mean over the epochs.
- *share*: how much of its cores the job had; the rest went to other work of the machine. Where it
  is small, time and img/s would be that much better on a machine that has nothing else to do.
  Accuracy does not depend on it.
"""
COLUMNS = "| job | net | train | val | epochs | accuracy | 95 % | drop | time | img/s | share |"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """What one run of a job reached, and what it ran on."""

    recipe: str
    """Digest of the recipe that ran."""
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
    drop: float
    seconds: float
    images_per_second: float
    share: float
    """Of the time it held its cores: how much of it they worked for it."""

    @classmethod
    def of(cls, job: Job, *, recipe: str, machine: str, processor_s: float) -> Self:
        """Return what an ended job has reached; it took `processor_s` of processor time."""
        trained = [epoch for epoch in job.epochs if epoch.train is not None]
        scored = [(epoch.epoch, epoch.val) for epoch in trained if epoch.val is not None]
        best_epoch, best = max(scored, key=lambda pair: (pair[1].accuracy, -pair[0]))
        assert job.plan is not None
        assert job.end_time is not None
        data, threads = job.plan["data"], job.plan["threads"]
        return cls(
            recipe=recipe, measured=job.end_time.date().isoformat(), machine=machine,
            share=round(processor_s / job.device_seconds / threads, 3),
            train=data["train"]["images"], val=data["val"]["images"],
            epochs=len(trained), best_epoch=best_epoch, correct=best.correct,
            accuracy=best.accuracy, low=best.accuracy_low, high=best.accuracy_high,
            drop=best.accuracy - scored[-1][1].accuracy, seconds=round(job.device_seconds, 1),
            images_per_second=round(sum(e.images_per_second for e in trained) / len(trained), 1),
        )  # fmt: skip

    def row(self, name: str) -> str:
        """Return a row of the table."""
        cells = (
            f"[{name}](../examples/table/{name}.yaml)",
            _net(_recipe(name)["model"]),
            self.train,
            self.val,
            f"{self.epochs} ({self.best_epoch})",
            f"**{self.accuracy:.3f}** ({self.correct} of {self.val})",
            f"{self.low:.3f} to {self.high:.3f}",
            f"{self.drop:.3f}",
            f"{self.seconds:.0f} s",
            f"{self.images_per_second:.0f}",
            f"{self.share:.0%}",
        )
        return f"| {' | '.join(map(str, cells))} |"


def shipped() -> list[str]:
    """Return the names of the table's jobs, each after those that it needs."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def digest(name: str) -> str:
    """Return the digest of a job's recipe: comments and layout do not count."""
    text = json.dumps(_recipe(name), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def kept() -> dict[str, Reached]:
    """Return what has been measured of the jobs as they are shipped now."""
    if not KEPT.exists():
        return {}
    rows = {name: Reached(**row) for name, row in json.loads(KEPT.read_text()).items()}
    names = set(shipped())
    return {name: row for name, row in rows.items() if name in names and row.recipe == digest(name)}


def keep(rows: Mapping[str, Reached]) -> None:
    """Write the results and, from them, the page."""
    body = {name: asdict(rows[name]) for name in sorted(rows)}
    KEPT.write_text(json.dumps(body, indent=1) + "\n")
    PAGE.write_text(page(rows))


def page(rows: Mapping[str, Reached]) -> str:
    """Return the page as Markdown: a table for each set of images."""
    parts = [HEAD, *_hardware(rows.values()), ""]
    for prefix, about in SETS.items():
        names = sorted(name for name in rows if name.startswith(prefix))
        if names:
            lines = [rows[name].row(name) for name in names]
            parts += [f"## {prefix}", "", about, "", COLUMNS, "|---" * 11 + "|", *lines, ""]
    return "\n".join([*parts, "## The columns", "", TAIL.rstrip(), ""])


def _recipe(name: str) -> dict[str, Any]:
    recipe: dict[str, Any] = json.loads(JobFile.read(FOLDER / f"{name}.yaml").request.recipe_json)
    return recipe


def _net(model: Mapping[str, Any]) -> str:
    """Return a torchvision net's name, or the widths of a small one."""
    if "name" in model:
        return f"`{model['name']}`"
    return "cnn " + "-".join(str(width) for width in model["cnn"]["channels"])


def _hardware(rows: Iterable[Reached]) -> list[str]:
    """Return a line for each machine that measured, with the days."""
    days: dict[str, set[str]] = {}
    for row in rows:
        days.setdefault(row.machine, set()).add(row.measured)
    return [
        f"Measured on {machine} on {', '.join(sorted(when))}." for machine, when in days.items()
    ]
