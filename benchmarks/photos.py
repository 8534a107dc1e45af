"""Whether the engine learns what a plain loop learns: ants and bees, full fine-tuning, 3 seeds.

Run as `python -m benchmarks.photos`: six runs, about a quarter of an hour on 2 cores. The job is
examples/ants-bees/full.yaml, the plain loop benchmarks/peers/loops.py with the same settings.
"""

import json
import statistics
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.material import Material, material
from benchmarks.peers.task import Answer, Task
from benchmarks.table import CHECKOUT, Row, finish, markdown
from ftctl import JobFile
from fttrain import events

TITLE = "Full fine-tuning of MobileNetV2 on ants and bees"
JOB = CHECKOUT / "examples/ants-bees/full.yaml"
PAGE = CHECKOUT / "docs/photos.md"
HEAD = "Written by `python -m benchmarks.photos`: best validation accuracy of 153 photos.\n"
SEEDS = range(3)
LEAST = 0.92
MOST_APART = 0.02


def measure() -> list[Row]:
    """Train with both, seed by seed."""
    with TemporaryDirectory() as folder:
        given = material(Path(folder))
        pairs = [
            (engine(given, seed, Path(folder)), plain(given, seed, Path(folder))) for seed in SEEDS
        ]
    rows = [
        row
        for seed, (ours, theirs) in zip(SEEDS, pairs, strict=True)
        for row in (
            _best(f"finetuned, seed {seed}", ours),
            _best(f"plain loop, seed {seed}", theirs),
        )
    ]
    means = [statistics.mean(column) for column in zip(*pairs, strict=True)]
    apart = abs(means[0] - means[1])
    return [
        *rows,
        Row(
            what=f"means {means[0]:.4f} and {means[1]:.4f}, apart",
            value=f"{apart:.4f}",
            goal=f"≤ {MOST_APART:g}",
            holds=apart <= MOST_APART,
        ),
    ]


def engine(given: Material, seed: int, folder: Path) -> float:
    """Return the best validation accuracy of the engine alone."""
    overrides = {"data.folder.path": str(given.photos), "train.seed": seed}
    job = JobFile.read(JOB, overrides=overrides)
    recipe, out = folder / "recipe.json", folder / f"run-{seed}"
    recipe.write_text(job.request.recipe_json)
    run([sys.executable, "-m", "fttrain", "run", str(recipe), "--out", str(out)], given)
    entries, _ = events.read(out / "journal.jsonl")
    epochs = [e.record for e in entries if isinstance(e.record, events.EpochEnded)]
    return max(epoch.val.accuracy for epoch in epochs if epoch.val is not None)


def plain(given: Material, seed: int, folder: Path) -> float:
    """Return the best validation accuracy of the plain loop with the job's settings."""
    settings = json.loads(JobFile.read(JOB).request.recipe_json)["train"]
    task, answer = folder / "task.json", folder / "answer.json"
    Task(
        peer="tutorial", photos=str(given.photos), augment="flip", seed=seed, workers=0,
        epochs=settings["epochs"], batch=settings["batch_size"],
        lr=settings["optimizer"]["sgd"]["lr"],
    ).write(task)  # fmt: skip
    run([sys.executable, "-m", "benchmarks.peers", str(task), str(answer)], given)
    told = Answer.read(answer)
    return max(told.correct) / told.count


def run(command: list[str], given: Material) -> None:
    """Run a command with the weights at hand."""
    print(f"  {' '.join(command)}", file=sys.stderr)
    environment = given.environment()
    subprocess.run(command, env=environment, check=True, cwd=CHECKOUT, stdout=subprocess.DEVNULL)


def _best(what: str, accuracy: float) -> Row:
    return Row(what=what, value=f"{accuracy:.4f}", goal=f"≥ {LEAST:g}", holds=accuracy >= LEAST)


def main() -> int:
    """Measure, print, write the page; return 1 where a goal is missed."""
    rows = measure()
    PAGE.write_text(f"# Real photos\n\n{HEAD}\n{markdown(TITLE, rows)}")
    return finish(TITLE, rows)


if __name__ == "__main__":
    sys.exit(main())
