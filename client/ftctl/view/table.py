"""The list of jobs."""

from collections.abc import Sequence
from datetime import datetime

from rich.text import Text

from ftctl.models import Job, JobState, OutcomeReason
from ftctl.view import grid, text
from ftctl.view.console import STATE_STYLES

TITLES = ("id", "name", "user", "state", "progress", "best %", "age")
ALIGNS = "<<<<<>>"
USER = TITLES.index("user")
# Where a terminal has no room for all: the column that is cut, and to how little.
FLEXIBLE = tuple(
    (TITLES.index(title), least)
    for title, least in (("progress", 20), ("name", 12), ("user", 8), ("progress", 8), ("name", 8))
)
# Where that is not enough: the columns that are left out.
SPARE = tuple(TITLES.index(title) for title in ("user", "age", "progress", "best %"))


def lines(jobs: Sequence[Job], *, now: datetime, width: int | None) -> list[Text]:
    """Return a heading and one line per job; without a width nothing is cut to fit.

    Whose each job is stands there where they are not all the same user's.
    """
    rows: list[list[str | Text]] = [[Text(title, "label") for title in TITLES]]
    rows += [_row(job, now) for job in jobs]
    if len({job.user for job in jobs}) > 1:
        return grid.lines(rows, aligns=ALIGNS, width=width, flexible=FLEXIBLE, spare=SPARE)
    rows = [row[:USER] + row[USER + 1 :] for row in rows]
    flexible = [(column - (column > USER), least) for column, least in FLEXIBLE if column != USER]
    spare = [column - (column > USER) for column in SPARE if column != USER]
    aligns = ALIGNS[:USER] + ALIGNS[USER + 1 :]
    return grid.lines(rows, aligns=aligns, width=width, flexible=flexible, spare=spare)


def _row(job: Job, now: datetime) -> list[str | Text]:
    return [
        Text(text.short_id(job.id), "label"),
        job.name,
        text.clean(job.user),
        Text(job.state, STATE_STYLES[job.state]),
        text.clean(progress(job, now)),
        text.percent(job.best.val.accuracy) if job.best and job.best.val else "–",
        text.age(now - job.create_time) if job.create_time else "–",
    ]


def progress(job: Job, now: datetime) -> str:
    """Say how far a job is, or what it waits for, or why it ended."""
    if job.state is JobState.PAUSED:
        return paused(job, now)
    if job.state is JobState.QUEUED:
        return job.reason
    if job.outcome and job.outcome.reason not in (
        OutcomeReason.COMPLETED,
        OutcomeReason.CANCELLED_BY_USER,
    ):
        return job.outcome.reason.replace("_", " ")
    if job.progress is None:
        return ""
    share = 100 * job.progress.step // max(job.progress.steps, 1)
    told = f"epoch {job.progress.epoch}/{job.progress.epochs}, {share} %"
    return f"{job.reason}: {told}" if job.reason and not job.state.is_terminal else told


def paused(job: Job, now: datetime) -> str:
    """Say by whom or why a job is paused, since when, and where it will go on."""
    since = f"{text.age(now - job.pause_time)} ago" if job.pause_time else ""
    at = job.progress
    where = f"after step {text.count(at.step)} of {text.count(at.steps)}" if at else ""
    if job.reason.startswith("paused by "):
        return ", ".join(filter(None, (f"{job.reason} {since}".strip(), where)))
    told = ", ".join(filter(None, (since and f"paused {since}", where)))
    return f"{job.reason} ({told})" if told else job.reason
