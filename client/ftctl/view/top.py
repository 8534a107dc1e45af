"""A machine on one screen: its devices, the jobs that run, the queue."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from rich.text import Text

from ftctl.devices import Device, DeviceState
from ftctl.models import Job, JobState, Phase
from ftctl.view import bars, devices, grid, table, text
from ftctl.view.console import STATE_STYLES

T = TypeVar("T")

MARGIN = devices.MARGIN
ABSENT = devices.ABSENT
LEAVE = "q leaves"
# A narrow page has no room for a whole id; daemons take the start of one.
NARROW_ID = 8
LEAST_BAR, MOST_BAR = 8, 60
LEAST_NAME, LEAST_REASON = 10, 24
# Header and footer with a blank line each, three headings, two blank lines between.
FIXED_LINES = 9

RUNNING = ("running", "device", "epoch", "", "loss", "acc %", "img/s", "left", "memory")
QUEUE = ("queue", "priority", "waits", "reason")


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What a daemon said of its machine."""

    devices: tuple[Device, ...]
    running: tuple[Job, ...]
    """Jobs that hold devices, the longest running first."""
    queue: tuple[Job, ...]
    """Jobs that hold none, the next one first."""
    time: datetime
    """When it said so; shown in its own zone."""

    @classmethod
    def of(cls, machine: Sequence[Device], jobs: Sequence[Job], *, time: datetime) -> "Snapshot":
        """Sort what was asked for; jobs that have ended are left out."""
        waiting = (JobState.QUEUED, JobState.PAUSED)
        going = [job for job in jobs if not job.state.is_terminal and job.state not in waiting]
        queue = [job for job in jobs if job.state in waiting]
        return cls(
            devices=tuple(machine),
            running=tuple(sorted(going, key=lambda job: job.start_time or time)),
            queue=tuple(sorted(queue, key=lambda job: (-job.priority, job.create_time or time))),
            time=time,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What there is to draw on."""

    width: int
    height: int
    is_cut: bool = True
    """Whether what has no room is cut; otherwise its line is longer than the page."""

    @property
    def is_wide(self) -> bool:
        """True if there is room for whole names."""
        return self.width >= devices.WIDE


def frame(seen: Snapshot, page: Page, *, absence: str = "") -> list[Text]:
    """Return a whole screen; its last line says how one leaves, or that the daemon is away."""
    wants = [max(len(part), 1) for part in (seen.devices, seen.running, seen.queue)]
    shares = allot(wants, page.height - FIXED_LINES)
    lines = [
        _header(seen, page),
        Text(),
        *_devices(seen, page, shares[0]),
        Text(),
        *_running(seen, page, shares[1]),
        Text(),
        *_queue(seen, page, shares[2]),
    ]
    if not page.is_cut:
        return lines
    return [*lines, *[Text()] * max(page.height - len(lines) - 1, 1), _footer(page, absence)]


def allot(wants: Sequence[int], room: int) -> list[int]:
    """Share lines out: none gets more than it wants, nor less than another that wants more."""
    shares = [0] * len(wants)
    for _ in range(max(room, len(wants))):
        hungry = [index for index, want in enumerate(wants) if shares[index] < want]
        if not hungry:
            break
        shares[min(hungry, key=lambda index: shares[index])] += 1
    return shares


def seconds_left(job: Job, now: datetime) -> float | None:
    """Return how long the remaining steps take at the pace of the last epoch, or of all so far."""
    progress = job.progress
    if progress is None or not 0 < progress.step <= progress.steps:
        return None
    remaining = progress.steps - progress.step
    last = job.epochs[-1] if job.epochs else None
    if last and last.epoch and last.seconds:
        return remaining * last.seconds * progress.epochs / progress.steps
    # Steps of attempts before this one would make it seem faster than it is.
    if job.start_time and job.attempt == 1:
        return remaining * (now - job.start_time).total_seconds() / progress.step
    return None


# --- the parts ------------------------------------------------------------------------------


def _header(seen: Snapshot, page: Page) -> Text:
    taken = sum(bool(device.jobs) for device in seen.devices)
    shut = (DeviceState.DRAINING, DeviceState.DRAINED, DeviceState.UNHEALTHY)
    out = sum(device.state in shut for device in seen.devices)
    told = Text(MARGIN).append("finetuned", "title")
    told.append(f"  {text.counted(len(seen.devices), 'device')}, {taken} in use")
    if out:
        told.append(", ").append(f"{out} out of use", "warn")
    told.append(f"  {len(seen.running):,} running  {len(seen.queue):,} waiting")
    clock = f"{seen.time:%H:%M:%S}"
    space = page.width - told.cell_len - len(clock) - len(MARGIN)
    return _one_line(told.append(" " * max(space, 2)).append(clock, "label"), page)


def _devices(seen: Snapshot, page: Page, share: int) -> list[Text]:
    shown, rest = _fitting(seen.devices, share)
    heading, *rows = devices.table(
        shown, width=page.width, is_cut=page.is_cut, without=() if page.is_wide else (devices.NAME,)
    )
    return [heading, *rows, *_rest(rest, seen.devices, "this machine has no devices", page)]


def _running(seen: Snapshot, page: Page, share: int) -> list[Text]:
    shown, rest = _fitting(seen.running, share)
    rows: list[list[str | Text]] = [_titles(RUNNING), *(_job(job, seen, page) for job in shown)]
    bar, width = RUNNING.index(""), page.width - 2 * len(MARGIN)
    least = bars.least(page.width, LEAST_BAR)
    columns = grid.room(rows, bar, width=width, least=least, most=MOST_BAR)
    for job, row in zip(shown, rows[1:], strict=True):
        row[bar] = _bar(job, columns)
    lines = _table(rows, "<<><>>>>>", page, flexible=[(0, LEAST_NAME)])
    return [*lines, *_rest(rest, seen.running, "nothing runs", page)]


def _queue(seen: Snapshot, page: Page, share: int) -> list[Text]:
    shown, rest = _fitting(seen.queue, share)
    rows: list[list[str | Text]] = [_titles(QUEUE), *(_waiting(job, seen.time) for job in shown)]
    flexible = [(3, LEAST_REASON), (0, LEAST_NAME)]
    lines = _table(rows, "<>><", page, flexible=flexible)
    return [*lines, *_rest(rest, seen.queue, "nothing waits", page)]


def _footer(page: Page, absence: str) -> Text:
    said = Text(MARGIN).append(absence or LEAVE, "warn" if absence else "label")
    legend = bars.legend()
    space = page.width - said.cell_len - legend.cell_len - len(MARGIN)
    if space > 1:
        said.append(" " * space).append_text(legend)
    return _one_line(said, page)


def _job(job: Job, seen: Snapshot, page: Page) -> list[str | Text]:
    progress, last = job.progress, job.epochs[-1] if job.epochs else None
    val = next((epoch.val for epoch in reversed(job.epochs) if epoch.val), None)
    left = seconds_left(job, seen.time)
    has_steps = progress is not None and progress.step > 0
    memory = last.memory_bytes if last else 0
    return [
        Text(text.clean(job.name), "title"),
        Text(_place(job, page), "label"),
        f"{progress.epoch}/{progress.epochs}" if progress else ABSENT,
        "",
        (text.loss(progress.loss) if progress and has_steps else ABSENT).rjust(6),
        text.percent(val.accuracy) if val else ABSENT,
        text.rate(progress.images_per_second) if progress and has_steps else ABSENT,
        (ABSENT if left is None else text.left(left)).rjust(6),
        text.memory(memory) if memory else ABSENT,
    ]


def _place(job: Job, page: Page) -> str:
    held = job.attempts[-1].devices if job.attempts else ()
    if not held:
        return ABSENT
    first = held[0] if page.is_wide else held[0][:NARROW_ID]
    return first if len(held) == 1 else f"{first} +{len(held) - 1}"


def _bar(job: Job, columns: int) -> Text:
    """Draw how far a job is, or say what it does instead of training."""
    progress = job.progress
    if job.state is not JobState.RUNNING:
        return Text(job.state, STATE_STYLES[job.state])
    if progress is None or progress.phase is Phase.SETUP:
        return Text("loading", "label")
    return bars.progress(progress.step / max(progress.steps, 1), columns)


def _waiting(job: Job, now: datetime) -> list[str | Text]:
    waited = now - job.create_time if job.create_time else timedelta()
    reason = text.clean(job.reason)
    if job.state is JobState.PAUSED:
        reason = text.clean(table.paused(job, now)) or str(job.state)
    return [
        Text(text.clean(job.name), "title"),
        str(job.priority),
        text.age(waited),
        Text(reason, "" if job.state is JobState.QUEUED else STATE_STYLES[job.state]),
    ]


# --- lines ----------------------------------------------------------------------------------


def _titles(titles: Sequence[str]) -> list[str | Text]:
    return [Text(title, "label") for title in titles]


def _table(
    rows: Sequence[Sequence[str | Text]],
    aligns: str,
    page: Page,
    *,
    flexible: Sequence[tuple[int, int]],
) -> list[Text]:
    width = page.width - 2 * len(MARGIN) if page.is_cut else None
    return [
        _one_line(Text(MARGIN).append_text(line), page)
        for line in grid.lines(rows, aligns=aligns, width=width, flexible=flexible)
    ]


def _fitting(items: Sequence[T], share: int) -> tuple[Sequence[T], int]:
    """Return what of a list fits, with a line kept for the count of what does not."""
    if len(items) <= share:
        return items, 0
    shown = max(share - 1, 0)
    return items[:shown], len(items) - shown


def _rest(count: int, items: Sequence[object], nothing: str, page: Page) -> list[Text]:
    if not items:
        return [_one_line(Text(f"{MARGIN}{nothing}", "label"), page)]
    return [_one_line(Text(f"{MARGIN}and {count:,} more", "label"), page)] if count else []


def _one_line(line: Text, page: Page) -> Text:
    line.no_wrap, line.overflow = True, "ellipsis" if page.is_cut else "ignore"
    return line
