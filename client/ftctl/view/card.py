"""A whole job on one screen."""

from collections.abc import Iterator
from datetime import datetime

from rich.console import Console
from rich.text import Text

from ftctl.models import Job
from ftctl.view import ending, epochs, plan, table, text
from ftctl.view.console import STATE_STYLES
from ftctl.view.labels import labelled, paths
from ftctl.view.plain import stamp


def lines(job: Job, *, now: datetime, console: Console) -> Iterator[Text]:
    """Yield the card of a job."""
    yield from _headline(job, console)
    yield from _history(job, now, console)
    if job.plan is not None:
        yield Text()
        yield from plan.card(job.plan, job.recipe, console)
    if job.epochs:
        columns = epochs.chosen(console.width)
        yield Text()
        yield from epochs.heading(columns)
        yield from (epochs.row(epoch, columns) for epoch in job.epochs)
    yield from _end(job, console)


def _headline(job: Job, console: Console) -> Iterator[Text]:
    name = Text.assemble(" ", (job.name, "title"), ("  " + job.id, "label"))
    state = Text.assemble((job.state.value, STATE_STYLES[job.state]))
    if told := table.progress(job):
        state.append(f"  {text.clean(told)}")
    if name.cell_len + state.cell_len + 2 <= console.width:
        yield Text("  ").join([name, state])
    else:
        yield name
        yield from labelled("state", [state], console)


def _history(job: Job, now: datetime, console: Console) -> Iterator[Text]:
    told = []
    if job.create_time:
        told.append(f"submitted {stamp(job.create_time)}, {text.age(now - job.create_time)} ago")
    if job.start_time:
        ran = text.duration((job.end_time or now) - job.start_time)
        told.append(f"{'ran' if job.end_time else 'has run'} for {ran}, attempt {job.attempt}")
    yield from labelled("times", told, console)
    asks = [text.counted(job.devices, "device")]
    asks += [f"priority {job.priority}"] if job.priority else []
    asks += [f"after {', '.join(job.after)}"] if job.after else []
    asks += [f"{key}={text.clean(value)}" for key, value in sorted(job.labels.items())]
    yield from labelled("asks for", [", ".join(asks)], console)


def _end(job: Job, console: Console) -> Iterator[Text]:
    files = {artifact.kind: artifact.path for artifact in job.artifacts}
    if not (job.best or files or job.outcome or job.run_dir):
        return
    yield Text()
    if job.outcome:
        yield from ending.trouble(job.outcome, console)
    if job.best:
        yield from labelled("best", [ending.best(job.best)], console)
    yield from paths(files, console, folder=job.run_dir)
