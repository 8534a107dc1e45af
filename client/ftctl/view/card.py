"""A whole job on one screen."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from rich.console import Console
from rich.text import Text

from ftctl.models import Attempt, Job
from ftctl.view import ending, epochs, plan, results, stages, table, text
from ftctl.view.console import STATE_STYLES
from ftctl.view.labels import labelled, paths
from ftctl.view.plain import stamp

SHOWN_ATTEMPTS = 3


def lines(job: Job, *, now: datetime, console: Console) -> Iterator[Text]:
    """Yield the card of a job."""
    yield from _headline(job, now, console)
    yield from _history(job, now, console)
    if job.plan is not None:
        yield Text()
        yield from plan.card(job.plan, job.recipe, console)
    if job.epochs:
        columns = epochs.chosen(console.width)
        yield Text()
        yield from epochs.heading(columns)
        for epoch in job.epochs:
            yield from stages.begun(job.plan or {}, epoch.epoch)
            yield epochs.row(epoch, columns)
    yield from _end(job, console)


def _headline(job: Job, now: datetime, console: Console) -> Iterator[Text]:
    name = Text.assemble(" ", (job.name, "title"), ("  " + job.id, "label"))
    state = Text.assemble((job.state.value, STATE_STYLES[job.state]))
    if told := table.progress(job, now):
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
    yield from labelled("user", [text.clean(job.user)] if job.user else [], console)
    yield from labelled("times", told, console)
    yield from labelled("asks for", [", ".join(_asks(job))], console)
    yield from labelled("recipe", [f"based on {text.clean(job.base)}"] if job.base else [], console)
    yield from labelled("ran on", [*_attempts(job, now)], console)
    yield from labelled("inexact", [text.clean(job.inexact)] if job.inexact else [], console)


def _asks(job: Job) -> Iterator[str]:
    each = "" if job.devices == 1 else " each"
    memory = f" with {text.memory(job.memory_bytes)}{each}" if job.memory_bytes else ""
    yield f"{text.counted(job.devices, 'device')}{memory}"
    if job.priority:
        yield f"priority {job.priority}"
    if job.after:
        yield f"after {', '.join(job.after)}"
    if job.not_before:
        yield f"not before {stamp(job.not_before)}"
    if job.timeout_seconds is not None:
        yield f"timeout {text.duration(timedelta(seconds=job.timeout_seconds))}"
    if job.preemptible:
        yield "preemptible"
    yield from (f"{key}={text.clean(value)}" for key, value in sorted(job.labels.items()))


def _attempts(job: Job, now: datetime) -> Iterator[str]:
    """Say on which devices the latest attempts ran, and how long the job has held any."""
    for attempt in job.attempts[-SHOWN_ATTEMPTS:]:
        number = f"attempt {attempt.number}: " if len(job.attempts) > 1 else ""
        devices = ", ".join(attempt.devices) or "no device"
        yield f"{number}{devices}{_span(attempt, now)}{_how(attempt, job)}"
    if len(job.attempts) > 1 or job.devices > 1:
        yield f"{text.duration(timedelta(seconds=job.device_seconds))} of devices in all"


def _how(attempt: Attempt, job: Job) -> str:
    """Say how an attempt ended that was not the end of its job."""
    if attempt.outcome is None or (job.outcome and attempt is job.attempts[-1]):
        return ""
    return f": {attempt.outcome.reason.replace('_', ' ')}"


def _span(attempt: Attempt, now: datetime) -> str:
    if attempt.start_time is None:
        return ""
    told = text.duration((attempt.end_time or now) - attempt.start_time)
    return f" for {told}{'' if attempt.end_time else ' so far'}"


def _end(job: Job, console: Console) -> Iterator[Text]:
    files = {artifact.kind: artifact.path for artifact in job.artifacts}
    if not (job.best or files or job.outcome or job.run_dir):
        return
    yield Text()
    if job.outcome:
        yield from ending.trouble(job.outcome, console)
    elif job.retry_time and job.attempts and (last := job.attempts[-1].outcome):
        yield from ending.trouble(last, console)
    if job.best:
        yield from labelled("best", [ending.best(job.best)], console)
    yield from labelled("last", [*results.last(job)], console)
    yield from results.lines(job.evaluations, console)
    if job.outcome:
        yield from ending.repeats(job.outcome, console)
    yield from paths(results.shown(files), console, folder=job.run_dir)
