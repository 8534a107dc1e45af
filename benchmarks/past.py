"""A state directory with a long past: jobs that have ended, and some that a daemon takes up."""

import contextlib
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, insert

from ftd.jobs.model import Attempt, Event, EventKind, Job, JobState, Outcome, OutcomeReason
from ftd.jobs.store.engine import open_engines
from ftd.jobs.store.rows import attempt_row, event_row, new_row
from ftd.jobs.store.tables import ATTEMPTS, DOCUMENTS, EVENTS, JOBS
from fttrain import events as journal
from fttrain.spec import rundir
from tests.fakes.jobs import epoch, progress, request

GIB = 2**30
EPOCHS = 3
FAILED_SHARE = 100
"""One in so many failed."""
_BATCH = 5000
_LASTED = timedelta(minutes=5)
_COMPLETED = Outcome(reason=OutcomeReason.COMPLETED, message="Trained to the end of its recipe.")
_KILLED = Outcome(
    reason=OutcomeReason.KILLED_BY_SIGNAL, message="The worker was ended by signal 9 (SIGKILL).",
    signal=9, log_tail=("epoch 1/3",) * 20,
)  # fmt: skip


@contextlib.contextmanager
def remembered(state: Path, *, ended: int, running: int, devices: int) -> Iterator[None]:
    """Fill a store. Inside the block the workers of the running jobs are there: they sleep."""
    state.mkdir(mode=0o700)
    writer, reader = open_engines(state / "ftd.sqlite", readers=1)
    reader.dispose()
    with contextlib.ExitStack() as stack:
        for first in range(1, ended + 1, _BATCH):
            with writer.begin() as connection:
                numbers = range(first, min(first + _BATCH, ended + 1))
                _insert(connection, [_ended(number) for number in numbers], "sim0")
        with writer.begin() as connection:
            for number in range(running):
                job = _running(ended + 1 + number, state)
                _insert(connection, [job], f"sim{number % devices}")
                stack.callback(_end, _worker(Path(job.run_dir), job))
        writer.dispose()
        yield


def _ended(number: int) -> Job:
    is_failed = number % FAILED_SHARE == 0
    begin = datetime(2026, 1, 1, tzinfo=UTC) + number * timedelta(minutes=1)
    return replace(
        _job(number, begin),
        state=JobState.FAILED if is_failed else JobState.SUCCEEDED,
        outcome=_KILLED if is_failed else _COMPLETED,
        end_time=begin + _LASTED,
    )


def _running(number: int, state: Path) -> Job:
    job = replace(_job(number, datetime.now(UTC)), state=JobState.RUNNING)
    return replace(job, run_dir=str(state / "runs" / job.id / "1"))


def _job(number: int, begin: datetime) -> Job:
    return Job(
        id=f"{number:032x}",
        number=number,
        request=request(f"job-{number}", memory_bytes=GIB),
        after_ids=(),
        references={},
        state=JobState.QUEUED,
        create_time=begin,
        start_time=begin,
        attempt=1,
        last_sequence=EPOCHS + 2,
        plan_json='{"format":1}',
        run_dir=f"/var/lib/finetuned/runs/{number:032x}/1",
        progress=dict(progress(10).body),
        artifacts=({"what": "model", "path": "/var/lib/finetuned/model.safetensors"},),
    )


def _insert(connection: Connection, jobs: list[Job], device: str) -> None:
    rows = [
        {**new_row(job, request_id="", request_digest=""), "number": job.number} for job in jobs
    ]
    connection.execute(insert(JOBS), rows)
    connection.execute(insert(DOCUMENTS), [_documents(job) for job in jobs])
    connection.execute(insert(EVENTS), [event_row(each) for job in jobs for each in _events(job)])
    connection.execute(insert(ATTEMPTS), [attempt_row(_attempt(job, device)) for job in jobs])


def _documents(job: Job) -> dict[str, str]:
    return {
        "job_id": job.id,
        "recipe_json": job.request.recipe_json,
        "plan_json": job.plan_json,
    }


def _events(job: Job) -> Iterator[Event]:
    """Yield its beginning, its epochs and its end, or where it stands."""
    told: list[tuple[EventKind, Any]] = [(EventKind.STATE, _state(JobState.QUEUED))]
    told += [(EventKind.EPOCH, epoch(number).body) for number in range(1, EPOCHS + 1)]
    told += [(EventKind.STATE, _state(job.state))]
    for sequence, (kind, body) in enumerate(told, start=1):
        yield Event(
            job_id=job.id, sequence=sequence, kind=kind, time=job.create_time, attempt=1, body=body
        )


def _state(state: JobState) -> dict[str, Any]:
    return {"state": state.value, "reason": "", "outcome": None}


def _attempt(job: Job, device: str) -> Attempt:
    return Attempt(
        job_id=job.id, number=1, run_dir=job.run_dir, devices=(device,),
        start_time=job.create_time, end_time=job.end_time,
    )  # fmt: skip


def _worker(run_dir: Path, job: Job) -> "subprocess.Popen[bytes]":
    """Start a process that stands for a job's shim, and write the journal of a worker that runs."""
    run_dir.mkdir(parents=True)
    header = journal.Header(format=journal.FORMAT, job_id=job.id, attempt=1)
    now = job.create_time.timestamp()
    told = journal.encode(header, time=now) + journal.encode(journal.Started(pid=1), time=now)
    (run_dir / rundir.JOURNAL).write_bytes(told)
    process = subprocess.Popen(["sleep", "infinity"])
    identity = rundir.ProcessIdentity.of(process.pid)
    assert identity is not None
    rundir.take_start(run_dir, identity)
    return process


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    process.wait()
