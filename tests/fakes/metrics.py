"""A daemon as metrics see it: every source says something."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import CollectorRegistry
from prometheus_client.samples import Sample as Line

from ftd.devices.model import Device, DeviceKind, JobMemory, Reading, Sample
from ftd.jobs import states
from ftd.jobs.figures import JobFigures
from ftd.jobs.fleet import DeviceState, Guest, Standing
from ftd.jobs.model import Job, JobRequest, JobState, Outcome, OutcomeReason
from ftd.metrics import snapshot
from ftd.metrics.collector import SnapshotCollector
from ftd.metrics.snapshot import Build, Place, Snapshot
from ftd.metrics.tally import Call, Tally
from fttrain.spec import rundir
from tests.fakes import jobs
from tests.fakes.jobs import NOW, at, request

GIB = 2**30
BUILD = Build(version="1.2.3", python="3.11.9", torch="2.15.0")
SUBMIT = Call(type="unary", service="finetuned.v1.JobService", method="SubmitJob")
WATCH = Call(type="server_stream", service="finetuned.v1.JobService", method="WatchJob")
COMPLETED = Outcome(reason=OutcomeReason.COMPLETED, message="trained to the end")
CANCELLED = Outcome(reason=OutcomeReason.CANCELLED_BY_USER, message="cancelled")
KILLED = Outcome(reason=OutcomeReason.KILLED_BY_SIGNAL, message="ended by SIGKILL", signal=9)


def outcome(to: JobState) -> Outcome | None:
    return {
        JobState.SUCCEEDED: COMPLETED, JobState.FAILED: KILLED, JobState.CANCELLED: CANCELLED,
    }.get(to)  # fmt: skip


def new_job(number: int = 1, *, create_time: datetime = NOW, **asked: Any) -> Job:
    """Return a job that was just submitted."""
    wanted: JobRequest = request(f"job-{number}", **asked)
    return Job(
        id=f"{number:032x}", number=number, request=wanted, after_ids=(), references={},
        state=JobState.QUEUED, create_time=create_time,
    )  # fmt: skip


def progress(step: int = 1, **changes: Any) -> dict[str, Any]:
    return dict(jobs.progress(step, **changes).body)


def epoch(number: int = 1) -> dict[str, Any]:
    return dict(jobs.epoch(number).body)


@dataclass(slots=True)
class Ledger:
    """Brings jobs on their way and tells a tally of it, as the real one does."""

    tally: Tally

    def submit(self, job: Job, *, second: float = 0) -> Job:
        self.tally.on_change(None, job, at(second))
        return job

    def move(self, job: Job, *ways: JobState, second: float, **changes: Any) -> Job:
        for to in ways:
            moved = states.advance(job, to, now=at(second), outcome=outcome(to))
            self.tally.on_change(job, moved, at(second))
            job = moved
        return self.tell(job, second=second, **changes) if changes else job

    def tell(self, job: Job, *, second: float, **changes: Any) -> Job:
        told = replace(job, **changes)
        self.tally.on_change(job, told, at(second))
        return told


@dataclass(slots=True)
class FakeSources:
    """What a test puts in."""

    is_zygote_up: bool = True
    watchers: int = 0
    devices: list[Standing] = field(default_factory=list)
    jobs: dict[str, JobFigures] = field(default_factory=dict)

    def standings(self) -> list[Standing]:
        return self.devices

    def holders(self) -> list[JobFigures]:
        return list(self.jobs.values())

    def figures(self, job: Job) -> JobFigures:
        if job.id not in self.jobs:
            return JobFigures(job=job, devices=(), device_seconds=0.0)
        return replace(self.jobs[job.id], job=job)

    def hold(self, job: Job, **fields: Any) -> None:
        """Put a job on devices, or note how it stands now."""
        known = {"devices": ("sim0",), "device_seconds": 0.0, **fields}
        self.jobs[job.id] = JobFigures(job=job, **known)


def standing(
    number: int = 0, *, kind: DeviceKind = DeviceKind.SIMULATED, **fields: Any
) -> Standing:
    """Return a device that tells all that a device can."""
    device = Device(
        id=f"{kind.value}{number}", uuid=f"UUID-{number}", kind=kind, name="a name",
        memory_bytes=16 * GIB, cores=(0, 1), number=str(number),
    )  # fmt: skip
    sample = Sample(
        utilization=0.75, temperature_celsius=51.0, energy_joules=1e6, xid_errors={13: 2, 79: 1}
    )
    reading = Reading(time=NOW, memory_used_bytes=5 * GIB, memory_foreign_bytes=GIB, sample=sample)
    known: dict[str, Any] = {
        "device": device, "state": DeviceState.BUSY, "reason": "", "reading": reading,
        "guests": (Guest(job_id="a", name="a", memory_bytes=4 * GIB),),
    }  # fmt: skip
    return Standing(**{**known, **fields})


def new_tally(**changes: Any) -> Tally:
    known: dict[str, Any] = {"opened": NOW, "ended": {}, "calls": [SUBMIT, WATCH]}
    return Tally(**{**known, **changes})


def busy(folder: Path) -> tuple[Tally, FakeSources]:
    """Return a daemon in which every metric has a series."""
    tally, sources = new_tally(), FakeSources(watchers=3, devices=[standing()])
    ledger = Ledger(tally)
    tally.figures = sources.figures
    job = ledger.submit(new_job(devices=2, memory_bytes=4 * GIB))
    job = ledger.move(job, JobState.STARTING, second=2, run_dir=str(folder))
    job = ledger.move(job, JobState.RUNNING, second=3, progress=progress(10), epochs=(epoch(1),))
    (folder / rundir.JOURNAL).write_bytes(b"x" * 100)
    (folder / "ftd.sqlite").write_bytes(b"x" * 4096)
    sources.hold(
        job, devices=("sim0", "sim1"), device_seconds=7.5, journal_bytes=40,
        memory=JobMemory(used_bytes=GIB, peak_bytes=2 * GIB),
    )  # fmt: skip
    tally.on_commit(0.002)
    tally.on_rpc(SUBMIT, "OK", 0.02)
    return tally, sources


def taken(tally: Tally, sources: FakeSources, folder: Path, *, second: float = 10) -> Snapshot:
    place = Place(state_dir=folder, database=folder / "ftd.sqlite")
    return snapshot.take(BUILD, place, tally, sources, at(second))


def text(now: Snapshot) -> str:
    """Return what Prometheus reads."""
    registry = CollectorRegistry()
    registry.register(SnapshotCollector(now))
    return generate_latest(registry).decode()


def lines(now: Snapshot) -> Iterator[Line]:
    """Yield every sample that Prometheus reads."""
    for family in text_string_to_metric_families(text(now)):
        yield from family.samples


def values(found: Iterable[Line], name: str) -> dict[tuple[str, ...], float]:
    """Return the samples of a name by the values of their labels."""
    return {tuple(each.labels.values()): each.value for each in found if each.name == name}
