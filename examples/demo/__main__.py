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

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from examples.demo import daemon
from ftctl import AsyncClient, Epoch, Job

HERE = Path(__file__).parent
OUT = Path.cwd() / "demo-out"
SEEDS = range(5)
_CURVE_WIDTH = 16
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
    async with daemon.running(state) as own:
        trials = await _run_all(own.client, console)
    console.print(_summary(trials))
    console.print(*_lay_out(trials), sep="\n", soft_wrap=True)
    console.print(f"\n{time.monotonic() - began:.0f} s in all; the daemon is gone again.")
    if left := daemon.leftovers(state):
        raise SystemExit("processes were left behind:\n" + "\n".join(left))


async def _run_all(client: AsyncClient, console: Console) -> list[Trial]:
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


async def _submit(client: AsyncClient, seed: int) -> tuple[str, str, str]:
    """Submit the three jobs of a seed; return their names."""
    clean, adapted, scratch = (f"digits-{what}-{seed}" for what in ("clean", "adapted", "scratch"))
    drawn = {"train.seed": seed, "data.digits.split_seed": seed}
    await client.submit(HERE / "pretrain.yaml", overrides={"name": clean, **drawn})
    from_clean = {"name": adapted, "after": [clean], "model.weights": f"job:{clean}/best"}
    await client.submit(HERE / "adapt.yaml", overrides={**from_clean, **drawn})
    await client.submit(HERE / "scratch.yaml", overrides={"name": scratch, **drawn})
    return clean, adapted, scratch


def _summary(trials: list[Trial]) -> Table:
    val = trials[0].untouched.val
    count = val.count if val else 0
    table = Table(
        title=f"Accuracy after the last epoch, on {count} noisy scans kept from training",
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    table.add_column("seed", no_wrap=True)
    for seed in SEEDS:
        table.add_column(str(seed), justify="right")
    table.add_column("mean ± spread", no_wrap=True, style="bold")
    table.add_column("over the epochs", no_wrap=True)
    _row(table, "untouched", [_accuracy(t.untouched) for t in trials], "")
    adapted, scratch = [t.adapted for t in trials], [t.scratch for t in trials]
    _row(table, "adapted", map(_last, adapted), _curve(adapted))
    _row(table, "from scratch", map(_last, scratch), _curve(scratch))
    return table


def _row(table: Table, name: str, accuracies: Iterable[float], curve: str) -> None:
    values = list(accuracies)
    cells = (_share(value) for value in values)
    table.add_row(name, *cells, f"{_share(mean(values))} ± {_share(stdev(values))}", curve)


def _share(value: float) -> str:
    return f"{value:.3f}".removeprefix("0")


def _last(job: Job) -> float:
    # Not the best epoch: chosen on these very images it would flatter.
    return _accuracy(job.epochs[-1])


def _accuracy(epoch: Epoch) -> float:
    assert epoch.val is not None, "each epoch of these recipes is evaluated"
    return epoch.val.accuracy


def _curve(jobs: list[Job]) -> str:
    """Draw validation accuracy from 0 to 1 over the epochs, averaged over jobs."""
    per_epoch = list(zip(*(map(_accuracy, job.epochs) for job in jobs), strict=True))
    shown = per_epoch[:: -(-len(per_epoch) // _CURVE_WIDTH)]
    return "".join(_BARS[min(int(mean(values) * 8), 7)] for values in shown)


def _lay_out(trials: list[Trial]) -> list[str]:
    """Link each run under its job's name; return where the models and curves lie."""
    for job in (job for trial in trials for job in (trial.adapted, trial.scratch)):
        (OUT / job.name).symlink_to(job.run_dir)
    first = trials[0].adapted
    files = [artifact for artifact in first.artifacts if not artifact.kind.startswith("check")]
    lines = [f"  {OUT.name}/{first.name}/{Path(a.path).relative_to(first.run_dir)}" for a in files]
    return ["Models and curves, one folder a job, such as:", *lines]


if __name__ == "__main__":
    asyncio.run(main())
