"""The demo: what a net that knows clean digits is worth on noisy scans, over five seeds.

Per seed three jobs run on a daemon of the demo's own: one trains on clean digits; the next, after
it, adapts its best checkpoint to noisy scans with five labels per class; a third learns the same
from nothing. Nothing in the summary is typed in by hand.
"""

import asyncio
import shutil
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from examples.demo import daemon
from ftctl import Client, Epoch, Job

HERE = Path(__file__).parent
OUT = Path.cwd() / "demo-out"
SEEDS = range(5)
_BARS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """The two jobs of one seed that are compared."""

    adapted: Job
    scratch: Job

    @property
    def untouched(self) -> Epoch:
        """The clean net on noisy scans, before any adaptation."""
        return self.adapted.epochs[0]


async def main() -> None:
    """Run the jobs and tell the story."""
    console = Console(highlight=False)
    began = time.monotonic()
    shutil.rmtree(OUT, ignore_errors=True)
    state = OUT / "state"
    state.mkdir(parents=True)
    console.print(
        "A small net learns clean digits, then meets noisy scans of which it is told\n"
        f"five labels per class. {len(SEEDS)} seeds, three jobs each, one daemon.\n"
    )
    async with daemon.running(state) as client:
        trials = await _run_all(client, console)
    console.print(_summary(trials))
    console.print(_places(trials))
    console.print(f"\n{time.monotonic() - began:.0f} s in all; the daemon is gone again.")
    if left := daemon.leftovers(state):
        raise SystemExit("processes were left behind:\n" + "\n".join(left))


async def _run_all(client: Client, console: Console) -> list[Trial]:
    handles = [await _submit(client, seed) for seed in SEEDS]
    columns = (TextColumn("{task.description:24}"), BarColumn(), MofNCompleteColumn())
    ended: dict[str, Job] = {}
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("jobs", total=3 * len(SEEDS))
        for names in handles:
            for name in names:
                progress.update(task, description=name)
                ended[name] = (await client.wait(name)).check()
                progress.advance(task)
    return [Trial(adapted=ended[adapt], scratch=ended[scratch]) for _, adapt, scratch in handles]


async def _submit(client: Client, seed: int) -> tuple[str, str, str]:
    """Submit the three jobs of a seed; return their names."""
    clean, adapted, scratch = (f"digits-{what}-{seed}" for what in ("clean", "adapted", "scratch"))
    drawn = {"train.seed": seed, "data.digits.split_seed": seed}
    await client.submit(HERE / "pretrain.yaml", overrides={"name": clean, **drawn})
    from_clean = {"name": adapted, "after": [clean], "model.weights": f"job:{clean}/best"}
    await client.submit(HERE / "adapt.yaml", overrides={**from_clean, **drawn})
    await client.submit(HERE / "scratch.yaml", overrides={"name": scratch, **drawn})
    return clean, adapted, scratch


def _summary(trials: list[Trial]) -> Table:
    count = trials[0].untouched.val.count
    table = Table(
        title=f"Accuracy after the last epoch, on {count} noisy scans kept from training",
        title_justify="left",
        title_style="bold",
    )
    table.add_column("")
    for seed in SEEDS:
        table.add_column(f"seed {seed}", justify="right")
    table.add_column("mean", justify="right", style="bold")
    table.add_column("spread", justify="right")
    table.add_column("over the epochs (mean)")
    _row(table, "untouched", [t.untouched.val.accuracy for t in trials], "")
    adapted, scratch = [t.adapted for t in trials], [t.scratch for t in trials]
    _row(table, "adapted", map(_last, adapted), _curve(adapted))
    _row(table, "from scratch", map(_last, scratch), _curve(scratch))
    return table


def _row(table: Table, name: str, accuracies: Iterable[float], curve: str) -> None:
    values = list(accuracies)
    table.add_row(
        name, *(f"{value:.3f}" for value in values), f"{mean(values):.3f}",
        f"± {stdev(values):.3f}", curve,
    )  # fmt: skip


def _last(job: Job) -> float:
    # Not the best epoch: chosen on these very images it would flatter.
    return job.epochs[-1].val.accuracy


def _curve(jobs: list[Job]) -> str:
    """Draw validation accuracy from 0 to 1 over the epochs, averaged over jobs."""
    per_epoch = zip(*([e.val.accuracy for e in job.epochs] for job in jobs), strict=True)
    return "".join(_BARS[min(int(mean(values) * 8), 7)] for values in per_epoch)


def _places(trials: list[Trial]) -> str:
    lines = ["", "Models and curves of seed 0 (the others lie beside them):"]
    for job in (trials[0].adapted, trials[0].scratch):
        lines += [f"  {artifact.kind:16} {artifact.path}" for artifact in job.artifacts]
    return "\n".join(lines)


if __name__ == "__main__":
    asyncio.run(main())
