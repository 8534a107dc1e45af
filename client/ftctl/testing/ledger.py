"""The jobs and devices of a fake daemon. Everything is done under its one lock."""

import json
import threading
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from finetuned.v1 import dataset_pb2, device_pb2, event_pb2, job_pb2, job_service_pb2
from ftctl.errors import Fault
from ftctl.nearest import hint
from ftctl.testing import checks
from ftctl.testing import made as made_up
from ftctl.testing.refusal import Refusal, invalid_job
from ftctl.testing.story import Step, Story, ended, moved, summary

TERMINAL = {
    job_pb2.JOB_STATE_SUCCEEDED, job_pb2.JOB_STATE_FAILED, job_pb2.JOB_STATE_CANCELLED,
}  # fmt: skip
SHORTEST_PREFIX = 4
USER = "tester"
"""Whose all jobs are."""


@dataclass(slots=True, kw_only=True)
class Entry:
    """A job, what has happened to it, and what will."""

    job: job_pb2.Job
    request_id: str
    story: Iterator[Step]
    events: list[event_pb2.JobEvent] = field(default_factory=list)
    log: bytes = b""
    dataset_digest: str = ""
    """Of the data set that it was submitted with."""

    @property
    def has_ended(self) -> bool:
        """True in a terminal state."""
        return self.job.state in TERMINAL

    def files(self) -> dict[str, tuple[job_service_pb2.ArtifactFile, bytes]]:
        """Return what it has made up, by kind, with the content."""
        made = {}
        for artifact in self.job.artifacts:
            content = made_up.content(artifact.kind, self.job)
            told = job_service_pb2.ArtifactFile(
                kind=artifact.kind, name=artifact.path.rpartition("/")[2],
                size_bytes=len(content), path=artifact.path,
            )  # fmt: skip
            made[artifact.kind] = (told, content)
        return made

    @property
    def is_placed(self) -> bool:
        """True while it holds devices."""
        return self.job.state in (job_pb2.JOB_STATE_STARTING, job_pb2.JOB_STATE_RUNNING)


class Ledger:
    """What a fake daemon knows. `news` is notified whenever something has happened."""

    def __init__(self, devices: Sequence[device_pb2.Device]) -> None:
        self.news = threading.Condition(threading.RLock())
        self.entries: list[Entry] = []
        self.devices = list(devices)
        self.datasets: dict[str, dataset_pb2.Dataset] = {}

    def submit(self, spec: job_pb2.JobSpec, request_id: str) -> Entry:
        """Take a job in. Raises Refusal."""
        for entry in self.entries:
            if request_id and entry.request_id == request_id:
                return entry
        self.check(spec)
        for entry in self.entries:
            if spec.name and entry.job.spec.name == spec.name and not entry.has_ended:
                raise Refusal(
                    "NAME_TAKEN",
                    f"the name `{spec.name}` belongs to job {entry.job.id}, which has not ended; "
                    "give this one another name, or cancel that one",
                )
        entry = self._entry(spec, request_id)
        if ref := checks.dataset_of(spec.recipe_json):
            entry.dataset_digest = self.find_dataset(ref).digest
        self.entries.append(entry)
        self.tell(entry, moved(job_pb2.JOB_STATE_QUEUED, "plan pending"))
        return entry

    def check(self, spec: job_pb2.JobSpec) -> None:
        """Raise Refusal where a job has faults, all of them told."""
        largest = max((device.memory_total_bytes for device in self.devices), default=0)
        found = checks.faults(spec, devices=len(self.devices), memory_bytes=largest)
        for position, ref in enumerate(spec.after):
            try:
                self.find(ref)
            except Refusal as refusal:
                found.append(Fault(field=f"after[{position}]", description=str(refusal)))
        try:
            if ref := checks.dataset_of(spec.recipe_json):
                self.find_dataset(ref)
        except Refusal as refusal:
            found.append(Fault(field="data.dataset.name", description=str(refusal)))
        if found:
            raise invalid_job(found)

    def find(self, ref: str) -> Entry:
        """Return a job by id, by the start of one, or by name. Raises Refusal."""
        if not ref:
            raise Refusal(
                "INVALID_ARGUMENT", "job: say which, by its id, the beginning of it, or its name"
            )
        named = [entry for entry in self.entries if ref in (entry.job.id, entry.job.spec.name)]
        if named:
            return named[-1]
        begun = [
            entry
            for entry in self.entries
            if len(ref) >= SHORTEST_PREFIX and entry.job.id.startswith(ref)
        ]
        if len(begun) > 1:
            raise Refusal(
                "AMBIGUOUS_JOB_ID", f"`{ref}` begins the ids of {len(begun)} jobs; say more of it"
            )
        if not begun:
            raise Refusal(
                "JOB_NOT_FOUND",
                f"no job has the name or id `{ref}`; `ftctl list` shows the names and ids of all",
            )
        return begun[0]

    def find_dataset(self, ref: str) -> dataset_pb2.Dataset:
        """Return a data set by its name. Raises Refusal."""
        name = ref.removeprefix(f"{USER}/")
        if name in self.datasets:
            return self.datasets[name]
        near = hint(name, self.datasets).removeprefix("; ")
        told = "`ftctl dataset push NAME DIR` makes one, `ftctl dataset list` shows all"
        raise Refusal("DATASET_NOT_FOUND", f"no data set has the name `{ref}`; {near or told}")

    def tell(self, entry: Entry, step: Step) -> None:
        """Let one thing happen to a job."""
        event = event_pb2.JobEvent(
            job_id=entry.job.id,
            sequence=len(entry.events) + 1,
            attempt=entry.job.attempt,
            **step,
        )
        event.time.FromDatetime(datetime.now(UTC))
        entry.events.append(event)
        _apply(entry.job, event)
        if entry.has_ended:
            entry.job.is_finishing = False
            self._release(entry)
        self.news.notify_all()

    def advance(self, entry: Entry) -> bool:
        """Let the next thing of its story happen; return whether it could."""
        if entry.has_ended or entry.job.state == job_pb2.JOB_STATE_PAUSED:
            return False
        if not entry.job.plan_json:
            told = event_pb2.Planned(plan_json=story_of(entry.job).plan_json())
            self.tell(entry, {"planned": told})
        elif entry.job.state == job_pb2.JOB_STATE_QUEUED:
            return self._start(entry)
        elif entry.job.state == job_pb2.JOB_STATE_STARTING:
            entry.log += b"training begins\n"
            self.tell(entry, moved(job_pb2.JOB_STATE_RUNNING))
        else:
            self.tell(entry, next(entry.story))
        return True

    def cancel(self, entry: Entry) -> None:
        """End a job that has not ended."""
        if entry.has_ended:
            return
        if entry.is_placed:
            self.tell(entry, moved(job_pb2.JOB_STATE_CANCELLING))
        self.tell(entry, ended(
            job_pb2.JOB_STATE_CANCELLED, job_pb2.OUTCOME_REASON_CANCELLED_BY_USER,
            "The job was cancelled by its user.",
        ))  # fmt: skip

    def pause(self, entry: Entry) -> None:
        """Take a job off its devices. Raises Refusal."""
        self._refuse_ended(entry, "pause")
        if entry.job.state != job_pb2.JOB_STATE_PAUSED:
            self._release(entry)
            self.tell(entry, moved(job_pb2.JOB_STATE_PAUSED, f"paused by {USER}"))

    def resume(self, entry: Entry) -> None:
        """Let a paused job go on. Raises Refusal."""
        self._refuse_ended(entry, "resume")
        if entry.job.state == job_pb2.JOB_STATE_PAUSED:
            self.tell(entry, moved(job_pb2.JOB_STATE_QUEUED, "resumed"))

    def finish(self, entry: Entry) -> None:
        """Have a job end after its next epoch. Raises Refusal."""
        if entry.job.state == job_pb2.JOB_STATE_PAUSED:
            name = entry.job.spec.name
            raise Refusal(
                "JOB_NOT_RUNNING",
                f"job {name} is paused: `ftctl resume {name}` has it train on, after which this "
                f"can be asked; `ftctl cancel {name}` ends it now",
            )
        if entry.job.state == job_pb2.JOB_STATE_QUEUED:
            name = entry.job.spec.name
            raise Refusal(
                "JOB_NOT_RUNNING",
                f"job {name} is queued and has not begun to train; `ftctl cancel {name}` ends it",
            )
        entry.job.is_finishing = entry.is_placed

    def delete(self, entry: Entry) -> None:
        """Forget a job. Raises Refusal."""
        name = entry.job.spec.name
        if not entry.has_ended:
            state = job_pb2.JobState.Name(entry.job.state).removeprefix("JOB_STATE_").lower()
            raise Refusal(
                "JOB_NOT_ENDED",
                f"job {name} is {state}; cancel it first (`ftctl cancel {name}`), or wait until "
                "it has ended",
            )
        needing = [
            other.job.spec.name
            for other in self.entries
            if not other.has_ended and {name, entry.job.id} & set(other.job.spec.after)
        ]
        if needing:
            raise Refusal(
                "JOB_IN_USE",
                f"job {name} is needed by {', '.join(needing)}, which has not ended; delete it "
                "when that has ended",
            )
        self.entries.remove(entry)

    def find_device(self, ref: str) -> device_pb2.Device:
        """Return a device by id, by uuid, or by the start of one. Raises Refusal."""
        exact = [device for device in self.devices if ref in (device.id, device.uuid)]
        found = exact or [
            device
            for device in self.devices
            if len(ref) >= SHORTEST_PREFIX and (device.id + " " + device.uuid).find(ref) >= 0
        ]
        if len(found) > 1:
            raise Refusal(
                "AMBIGUOUS_DEVICE_ID",
                f"`{ref}` begins the ids of {len(found)} devices; say more of it",
            )
        if not found:
            have = ", ".join(device.id for device in self.devices)
            raise Refusal(
                "DEVICE_NOT_FOUND", f"no device has the id `{ref}`; this machine has {have}"
            )
        return found[0]

    def _refuse_ended(self, entry: Entry, to: str) -> None:
        if entry.has_ended:
            state = job_pb2.JobState.Name(entry.job.state).removeprefix("JOB_STATE_").lower()
            raise Refusal(
                "JOB_ENDED",
                f"job {entry.job.spec.name} is {state} and has ended, there is nothing to {to}; "
                "submit it again to have it run again",
            )

    def _entry(self, spec: job_pb2.JobSpec, request_id: str) -> Entry:
        job_id = uuid.uuid4().hex
        job = job_pb2.Job(id=job_id, spec=spec, user=USER)
        job.spec.name = spec.name or job_id[:8]
        if not spec.resources.HasField("devices"):
            job.spec.resources.devices = 1
        job.create_time.FromDatetime(datetime.now(UTC))
        return Entry(job=job, request_id=request_id, story=story_of(job).steps(job))

    def _start(self, entry: Entry) -> bool:
        waits = [self.find(ref) for ref in entry.job.spec.after]
        for other in waits:
            if other.has_ended and other.job.state != job_pb2.JOB_STATE_SUCCEEDED:
                self.tell(entry, _without(other.job))
                return True
        awaited = [other.job.spec.name for other in waits if not other.has_ended]
        chosen = [] if awaited else self._fitting(entry.job)
        if not chosen:
            reason = f"waits for {', '.join(awaited) or 'a device'}"
            if entry.job.reason == reason:
                return False
            self.tell(entry, moved(job_pb2.JOB_STATE_QUEUED, reason))
            return True
        self._hold(entry.job, chosen)
        self.tell(entry, moved(job_pb2.JOB_STATE_STARTING))
        return True

    def _fitting(self, job: job_pb2.Job) -> list[device_pb2.Device]:
        """Return the devices that a job can have now; none where there are too few."""
        asked = job.spec.resources
        able = [
            device
            for device in self.devices
            if device.state in (device_pb2.DEVICE_STATE_FREE, device_pb2.DEVICE_STATE_BUSY)
            and (asked.memory_bytes or device.memory_total_bytes)
            <= device.memory_total_bytes - device.memory_reserved_bytes
        ]
        return able[: asked.devices] if len(able) >= asked.devices else []

    def _hold(self, job: job_pb2.Job, devices: Sequence[device_pb2.Device]) -> None:
        asked = job.spec.resources
        for device in devices:
            held = asked.memory_bytes if asked.HasField("memory_bytes") else None
            device.jobs.add(job_id=job.id, name=job.spec.name, memory_bytes=held)
            device.memory_reserved_bytes += held or device.memory_total_bytes
            device.state = device_pb2.DEVICE_STATE_BUSY
        attempt = job.attempts.add(
            number=len(job.attempts) + 1, devices=[device.id for device in devices]
        )
        attempt.start_time.FromDatetime(datetime.now(UTC))

    def _release(self, entry: Entry) -> None:
        for device in self.devices:
            kept = [job for job in device.jobs if job.job_id != entry.job.id]
            if len(kept) == len(device.jobs):
                continue
            whole = device.memory_total_bytes
            device.ClearField("jobs")
            device.jobs.extend(kept)
            device.memory_reserved_bytes = sum(
                job.memory_bytes if job.HasField("memory_bytes") else whole for job in kept
            )
            settle(device)
        if entry.job.attempts:
            entry.job.attempts[-1].end_time.FromDatetime(datetime.now(UTC))


def settle(device: device_pb2.Device) -> None:
    """Have a device say whether it works, after its jobs have changed or a drain."""
    drained = (device_pb2.DEVICE_STATE_DRAINING, device_pb2.DEVICE_STATE_DRAINED)
    if device.state in drained:
        device.state = drained[0] if device.jobs else drained[1]
    else:
        busy, free = device_pb2.DEVICE_STATE_BUSY, device_pb2.DEVICE_STATE_FREE
        device.state = busy if device.jobs else free


def story_of(job: job_pb2.Job) -> Story:
    """Return how a job will go."""
    return Story(recipe=json.loads(job.spec.recipe_json), run_dir=f"/runs/{job.id}/1")


def _without(other: job_pb2.Job) -> Step:
    state = job_pb2.JobState.Name(other.state).removeprefix("JOB_STATE_")
    return ended(
        job_pb2.JOB_STATE_FAILED,
        job_pb2.OUTCOME_REASON_DEPENDENCY_FAILED,
        f"{other.spec.name}, which it waited for, ended {state}.",
        remedy=f"See `ftctl get {other.spec.name}`; submit both again.",
    )


def _apply(job: job_pb2.Job, event: event_pb2.JobEvent) -> None:
    """Let a job stand where its latest event leaves it."""
    job.last_sequence = event.sequence
    match event.WhichOneof("event"):
        case "state_changed":
            _move(job, event)
        case "planned":
            job.plan_json = event.planned.plan_json
        case "progress":
            job.progress.CopyFrom(event.progress)
        case "epoch":
            job.epochs.append(event.epoch)
            job.summary.CopyFrom(summary(job.epochs))
        case "evaluation":
            job.evaluations.append(event.evaluation)
        case "artifact":
            _keep(job, event.artifact.kind, event.artifact.path)
        case "checkpoint_saved":
            saved = event.checkpoint_saved
            _keep(job, f"checkpoint/{saved.kind}", saved.path)


def _keep(job: job_pb2.Job, kind: str, path: str) -> None:
    """Note what a job has made, in place of what it had made of that kind."""
    others = [artifact for artifact in job.artifacts if artifact.kind != kind]
    del job.artifacts[:]
    job.artifacts.extend([*others, job_pb2.Artifact(kind=kind, path=path)])


def _move(job: job_pb2.Job, event: event_pb2.JobEvent) -> None:
    change = event.state_changed
    job.state, job.reason = change.state, change.reason
    job.ClearField("pause_time")
    if change.state == job_pb2.JOB_STATE_PAUSED:
        job.pause_time.CopyFrom(event.time)
    if change.HasField("outcome"):
        job.outcome.CopyFrom(change.outcome)
        job.end_time.CopyFrom(event.time)
    if change.state == job_pb2.JOB_STATE_STARTING:
        job.start_time.CopyFrom(event.time)
        job.attempt += 1
        job.run_dir = f"/runs/{job.id}/{job.attempt}"
