"""One attempt at a job: its run directory, its start, its journal, its end."""

import asyncio
import contextlib
import shutil
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import structlog

from ftd.devices.model import DeviceId
from ftd.jobs import jobcard, outcome, room, stacks, suspension, sweep
from ftd.jobs.aftermath import Aftermath
from ftd.jobs.journals import Journals
from ftd.jobs.ledger import Change, Ledger
from ftd.jobs.model import Attempt, EventKind, Job, JobState, NewEvent
from ftd.jobs.records import Translator
from ftd.jobs.room import Room
from ftd.jobs.silence import STALL_S, Silence
from ftd.jobs.suspension import Suspension
from ftd.jobs.sweep import Sweep
from ftd.jobs.zygote import Process, Zygote
from fttrain import events as journal
from fttrain.spec import rundir
from fttrain.spec.rundir import AttemptCard

log = structlog.get_logger()

GRACE_S = 2.0
"""From SIGTERM to SIGKILL when a job is cancelled."""
SHIM_LATE_S = 0.5
"""What the shim gets beyond the grace before it is ended itself."""
SWEEP_S = 1.0
"""A journal is looked at this often even if no notice came."""
LOG_TAIL_LINES = 20
_LOG_TAIL_BYTES = 65536


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """What attempts work with."""

    ledger: Ledger
    zygote: Zygote
    journals: Journals
    runs: Path
    """The folder of all run directories."""
    versions: Path
    """The folder of all pushed data sets."""
    sweep: Sweep
    cache: Path
    """The folder of what is made of images once, for all jobs."""
    cache_bytes: int
    """What that may take; 0: there is none."""
    stall_s: float = STALL_S
    """The least silence of a worker between two steps that is too long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Berth:
    """What a worker is given of the machine."""

    devices: tuple[DeviceId, ...]
    environment: Mapping[str, str]
    """With which it sees these devices and no others."""
    cores: tuple[int, ...]


def prepare(workshop: Workshop, job: Job, references: Mapping[str, str], berth: Berth) -> Path:
    """Write the run directory of a job's next attempt and return it.

    Raises:
        OSError: where it cannot be made.
    """
    number = job.attempt + 1
    run_dir = workshop.runs / job.id / str(number)
    if run_dir.exists() and not (run_dir / rundir.SHIM).exists():
        shutil.rmtree(run_dir)  # of a daemon that ended before it recorded the start
    run_dir.mkdir(parents=True)
    for folder in ("checkpoints", "artifacts"):
        (run_dir / folder).mkdir()
    (run_dir / rundir.JOURNAL).touch()
    (run_dir / rundir.RECIPE).write_text(job.request.recipe_json)
    (run_dir / rundir.PLAN).write_text(job.plan_json)
    card = AttemptCard(
        job_id=job.id,
        attempt=number,
        name=job.name,
        references=dict(references),
        devices=list(berth.devices),
        environment=dict(berth.environment),
        cores=list(berth.cores),
        earlier=[str(each) for each in earlier(run_dir)],
        cache=str(workshop.cache) if workshop.cache_bytes else "",
        cache_bytes=workshop.cache_bytes,
    )
    rundir.write_card(run_dir / rundir.ATTEMPT, card)
    jobcard.write(run_dir.parent, job)
    if any(rundir.is_to_finish(each) for each in earlier(run_dir)[:1]):
        rundir.ask_to_finish(run_dir)  # what was asked of the attempt before holds on
    return run_dir


def earlier(run_dir: Path) -> list[Path]:
    """Return the run directories of a job's attempts before this one, the latest first."""
    numbers = range(int(run_dir.name) - 1, 0, -1)
    return [each for number in numbers if (each := run_dir.with_name(str(number))).is_dir()]


def gone_since(run_dir: Path) -> datetime | None:
    """Return when an attempt's processes ended; None while its shim lives, or where nobody knows.

    Where no account of the end was left, that is when something was last written of it.
    """
    shim = rundir.read_shim(run_dir)
    if shim is not None and shim.is_alive:
        return None
    if (report := rundir.read_exit(run_dir)) is not None:
        return datetime.fromtimestamp(report.end_time, UTC)
    with contextlib.suppress(FileNotFoundError):  # somebody took the run directory away
        return datetime.fromtimestamp((run_dir / rundir.JOURNAL).stat().st_mtime, UTC)
    return None


class Follower:
    """Follows one attempt until its processes are gone, and concludes it."""

    def __init__(
        self, workshop: Workshop, job: Job, attempt: Attempt, *, gone: datetime | None = None
    ) -> None:
        """`gone` is when its processes ended, where they had before anybody could follow them."""
        self._workshop = workshop
        self._gone = gone
        self._job_id = job.id
        self._run_dir = Path(job.run_dir)
        self._number = job.attempt
        self._attempt = attempt
        self._offset = attempt.journal_offset
        self._translator = Translator(
            attempt=job.attempt, run_dir=self._run_dir, before=job.last_sequence
        )
        self._process: Process | None = None
        self._is_damaged = False
        self._is_out_of_time = False
        self._silence = Silence(stall_s=workshop.stall_s)
        self._stalled = ""
        self._is_ending = asyncio.Event()
        if job.state is JobState.CANCELLING:
            self._is_ending.set()

    @property
    def journal_bytes(self) -> int:
        """How much of the journal is stored as events."""
        return self._offset

    @property
    def pid(self) -> int | None:
        """Process id of the shim, while there is one."""
        alive = self._process is not None and not self._process.has_ended
        return self._process.pid if self._process is not None and alive else None

    def cancel(self) -> None:
        """End the worker: SIGTERM now, SIGKILL after the grace."""
        self._is_ending.set()
        if self._process is not None:
            self._process.send(signal.SIGTERM)

    def time_out(self) -> None:
        """End the worker because its time is up."""
        log.info("job_timed_out", job_id=self._job_id, attempt=self._number)
        self._is_out_of_time = True
        self.cancel()

    async def start(self) -> None:
        """Start the attempt and follow it to its end.

        Raises:
            ZygoteGone: where no shim could be started.
        """
        self._process = await self._workshop.zygote.start(self._run_dir, grace_s=GRACE_S)
        if (witness := self._workshop.ledger.witness) is not None:
            witness.on_start(self._job_id, is_warm=self._process.is_warm)
        await self._follow(self._process)

    async def adopt(self) -> None:
        """Follow an attempt that another daemon started, to its end."""
        shim = rundir.read_shim(self._run_dir)
        if shim is not None and shim.is_alive:
            self._process = Process.adopt(shim.pid)
        if self._process is not None and not (shim and shim.is_alive):
            self._process.close()  # the pid went to somebody else between the two looks
            self._process = None
        log.info("attempt_adopted", job_id=self._job_id, alive=self._process is not None)
        await self._remember()
        if self._process is None:
            await self._catch_up()
            await self._conclude()
        else:
            await self._follow(self._process)

    async def _follow(self, process: Process) -> None:
        try:
            if self._is_ending.is_set():
                process.send(signal.SIGTERM)
            async with asyncio.TaskGroup() as tasks:
                enforcer = tasks.create_task(self._enforce(process), name="enforcer")
                with self._workshop.journals.of(self._run_dir / rundir.JOURNAL) as grown:
                    await self._read_until_end(process, grown)
                enforcer.cancel()
            await self._conclude()
        finally:
            process.close()

    async def _read_until_end(self, process: Process, grown: asyncio.Event) -> None:
        ended = asyncio.create_task(process.wait(), name="shim-end")
        try:
            while not process.has_ended:
                grown.clear()
                await self._catch_up()
                await self._end_if_stalled(process)
                due = self._translator.due_in(now=time.monotonic())
                growing = asyncio.create_task(grown.wait(), name="journal-growth")
                try:
                    await asyncio.wait(
                        {ended, growing},
                        timeout=SWEEP_S if due is None else min(due, SWEEP_S),
                        return_when=asyncio.FIRST_COMPLETED,
                    )
                finally:
                    growing.cancel()
        finally:
            ended.cancel()
        await self._catch_up()

    async def _end_if_stalled(self, process: Process) -> None:
        is_silent = self._silence.look(now=time.monotonic())
        if not is_silent or self._is_ending.is_set():
            return
        self._stalled = str(self._silence)
        log.warning("job_stalled", job_id=self._job_id, attempt=self._number, told=self._stalled)
        await stacks.write(process.pid, self._run_dir / rundir.LOG)
        self.cancel()

    async def _enforce(self, process: Process) -> None:
        """End the shim itself where it does not end in time; its worker dies with it."""
        await self._is_ending.wait()
        await asyncio.sleep(GRACE_S + SHIM_LATE_S)
        process.send(signal.SIGKILL)

    async def _remember(self) -> None:
        """Learn again what the part of the journal tells that is stored already."""
        try:
            entries, _ = await asyncio.to_thread(
                journal.read, self._run_dir / rundir.JOURNAL, until=self._offset
            )
        except journal.BadRecord as error:
            log.warning("journal_damaged", job_id=self._job_id, offset=0, error=str(error))
            return
        self._silence.hear(entries)
        self._translator.translate(entries, now=time.monotonic())

    async def _catch_up(self) -> None:
        """Store what the journal has told since the last reading."""
        try:
            entries, offset = await asyncio.to_thread(
                journal.read, self._run_dir / rundir.JOURNAL, offset=self._offset
            )
        except journal.BadRecord:
            await self._tell_damage()
            return
        now = time.monotonic()
        self._silence.hear(entries)
        events = self._translator.translate(entries, now=now)
        if not events and offset == self._offset:
            return
        self._offset = offset
        await self._workshop.ledger.change(self._job_id, lambda job: self._told(job, events))

    async def _tell_damage(self) -> None:
        """Say once that the rest of the journal cannot be read; exit.json still tells the end."""
        if self._is_damaged:
            return
        self._is_damaged = True
        log.exception("journal_damaged", job_id=self._job_id, offset=self._offset)
        event = self._notice(f"The journal is damaged at byte {self._offset}; the rest is lost.")
        await self._workshop.ledger.change(
            self._job_id, lambda job: Change(job=job, events=[event])
        )

    def _told(self, job: Job, events: list[NewEvent]) -> Change:
        change = Change(job=job, events=_news(job, events))
        if self._translator.is_started and job.state is JobState.STARTING:
            # Its reason stays: it may have been asked to pause already.
            running = self._workshop.ledger.transition(job, JobState.RUNNING, reason=job.reason)
            change = replace(running, events=[*running.events, *change.events])
        change = replace(change, job=_marked(change.job, self._translator.resumed))
        return replace(change, attempt=replace(self._attempt, journal_offset=self._offset))

    async def _conclude(self) -> None:
        report = await asyncio.to_thread(rundir.read_exit, self._run_dir)
        # Before the end is told: a job that has ended holds nothing, or says what.
        swept = await self._workshop.sweep.end(self._run_dir, report)
        notices = [self._notice(each) for each in sweep.told(report, swept)]
        tail = await asyncio.to_thread(log_tail, self._run_dir / rundir.LOG)
        end_time = self._gone or self._workshop.ledger.clock()
        attempt = replace(self._attempt, journal_offset=self._offset, end_time=end_time)

        ledger = self._workshop.ledger
        fruitful = await ledger.store.fruitful_attempt(self._job_id)
        note = await asyncio.to_thread(rundir.read_pause, self._run_dir)
        space = await asyncio.to_thread(Room.of, self._run_dir.parent)
        was_ended = report is not None and report.terminated and not self._is_out_of_time

        def decide(job: Job) -> Change | None:
            made_way = suspension.conclude(
                job.state,
                note=note,
                suspended=self._translator.suspended,
                finished=self._translator.finished,
                was_ended=was_ended,
            )
            made_way = made_way or room.conclude(
                job.state, failed=self._translator.failed, report=report, room=space
            )
            if made_way is not None:
                return self._made_way(job, made_way, attempt, notices)
            state, how = outcome.conclude(
                job.state,
                report=report,
                failed=self._translator.failed,
                finished=self._translator.finished,
                timeout_s=job.request.timeout_s if self._is_out_of_time else None,
                stalled=self._stalled,
                oom_kills=report.oom_kills if report is not None else 0,
                log_tail=tail,
            )
            what = Aftermath(ledger=ledger, state=state, how=how, fruitful=fruitful)
            ended = replace(what.of(job), attempt=replace(attempt, outcome=how))
            return replace(ended, events=[*notices, *ended.events])

        await ledger.change(self._job_id, decide)

    def _made_way(
        self, job: Job, made_way: Suspension, attempt: Attempt, notices: list[NewEvent]
    ) -> Change:
        """Put the job back, as was asked: its attempt has ended, it goes on in another."""
        how = made_way.how
        ended = self._workshop.ledger.transition(
            job,
            made_way.state,
            reason=made_way.reason,
            outcome=how if made_way.state.is_terminal else None,
        )
        return replace(
            ended, attempt=replace(attempt, outcome=how), events=[*notices, *ended.events]
        )

    def _notice(self, message: str) -> NewEvent:
        return NewEvent(
            kind=EventKind.NOTICE,
            time=self._workshop.ledger.clock(),
            attempt=self._number,
            body={"message": message},
        )


def _marked(job: Job, resumed: journal.Resumed | None) -> Job:
    """Return the job with what makes it inexact since it was resumed."""
    known = job.inexact.split("; ") if job.inexact else []
    added = resumed.inexact.split("; ") if resumed is not None and resumed.inexact else []
    return replace(job, inexact="; ".join(dict.fromkeys([*known, *added])))


def _news(job: Job, events: list[NewEvent]) -> list[NewEvent]:
    """Return what was not told before: who resumes may tell epochs again; each counts once."""
    last = job.epochs[-1]["epoch"] if job.epochs else -1
    return [e for e in events if e.kind is not EventKind.EPOCH or e.body["epoch"] > last]


def log_tail(path: Path) -> list[str]:
    """Return the lines of a log that tell most of its end; none where there is no log."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _LOG_TAIL_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except FileNotFoundError:
        return []
    return stacks.tail(lines, LOG_TAIL_LINES)
