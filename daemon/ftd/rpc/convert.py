"""The model to proto and back. The only code that knows both."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from finetuned.v1 import daemon_service_pb2, device_pb2, event_pb2, job_pb2, job_service_pb2
from ftd.devices.model import Usage
from ftd.errors import InvalidRequest
from ftd.jobs.fleet import Guest, Standing
from ftd.jobs.history import outcome_from
from ftd.jobs.model import (
    MIN_RUNTIME_S,
    RETRIES,
    Attempt,
    Event,
    EventKind,
    Job,
    JobRequest,
    JobState,
    Outcome,
    UserUsage,
)
from ftd.rpc.artifacts import File

_SECOND = timedelta(seconds=1)
Body = Mapping[str, Any]


def job_to_proto(
    job: Job,
    attempts: Sequence[Attempt] = (),
    *,
    now: datetime | None = None,
    is_finishing: bool = False,
    pause_time: datetime | None = None,
) -> job_pb2.Job:
    """Return a job as the API tells it.

    Args:
        attempts: its starts of a worker.
        now: up to when devices that it still holds count; needed where there are attempts.
        is_finishing: whether it was asked to end after the epoch in progress.
        pause_time: when it was paused, where it is.
    """
    return job_pb2.Job(
        id=job.id,
        spec=spec_to_proto(job.request),
        state=state_to_proto(job.state),
        reason=job.reason,
        create_time=time_to_proto(job.create_time),
        start_time=time_to_proto(job.start_time) if job.start_time else None,
        end_time=time_to_proto(job.end_time) if job.end_time else None,
        outcome=_outcome(job.outcome) if job.outcome else None,
        attempt=job.attempt,
        last_sequence=job.last_sequence,
        progress=_progress(job.progress) if job.progress is not None else None,
        epochs=map(_epoch, job.epochs),
        plan_json=job.plan_json,
        artifacts=map(_artifact, job.artifacts),
        run_dir=job.run_dir,
        attempts=map(_attempt, attempts),
        user=job.user,
        is_finishing=is_finishing,
        summary=_summary(job.epochs),
        evaluations=map(_evaluation, job.evaluations),
        datasets=[job_pb2.DatasetUse(name=used.name, digest=used.digest) for used in job.datasets],
        inexact=job.inexact,
        retry_time=time_to_proto(job.retry_time) if job.retry_time else None,
        failures=job.failures,
        pause_time=time_to_proto(pause_time) if pause_time else None,
        base=job.request.base,
        device_seconds=sum(each.seconds(now) * len(each.devices) for each in attempts if now),
    )


def _attempt(attempt: Attempt) -> job_pb2.Attempt:
    return job_pb2.Attempt(
        number=attempt.number,
        devices=attempt.devices,
        start_time=time_to_proto(attempt.start_time),
        end_time=time_to_proto(attempt.end_time) if attempt.end_time else None,
        outcome=_outcome(attempt.outcome) if attempt.outcome else None,
    )


def spec_to_proto(request: JobRequest) -> job_pb2.JobSpec:
    """Return what was asked for."""
    return job_pb2.JobSpec(
        name=request.name,
        resources=job_pb2.Resources(devices=request.devices, memory_bytes=request.memory_bytes),
        priority=request.priority,
        after=request.after,
        labels=request.labels,
        recipe_json=request.recipe_json,
        not_before=time_to_proto(request.not_before) if request.not_before else None,
        timeout=_duration(request.timeout_s) if request.timeout_s else None,
        retries=request.retries,
        preemptible=request.is_preemptible,
        min_runtime=_duration(request.min_runtime_s) if request.is_preemptible else None,
    )


def spec_from_proto(spec: job_pb2.JobSpec, *, recipe_json: str, base: str = "") -> JobRequest:
    """Return what is asked for, defaults filled in, with the canonical recipe and its base."""
    resources = spec.resources
    return JobRequest(
        name=spec.name,
        devices=resources.devices if resources.HasField("devices") else 1,
        priority=spec.priority,
        after=tuple(spec.after),
        labels=dict(spec.labels),
        recipe_json=recipe_json,
        base=base,
        memory_bytes=resources.memory_bytes if resources.HasField("memory_bytes") else None,
        not_before=spec.not_before.ToDatetime(UTC) if spec.HasField("not_before") else None,
        timeout_s=spec.timeout.ToTimedelta() / _SECOND if spec.HasField("timeout") else None,
        retries=spec.retries if spec.HasField("retries") else RETRIES,
        is_preemptible=spec.preemptible,
        min_runtime_s=_min_runtime_s(spec),
    )


def _min_runtime_s(spec: job_pb2.JobSpec) -> float:
    if not spec.HasField("min_runtime"):
        return MIN_RUNTIME_S
    return spec.min_runtime.ToTimedelta() / _SECOND


def state_to_proto(state: JobState) -> job_pb2.JobState.ValueType:
    """Return the API's word for a state."""
    return job_pb2.JobState.Value(f"JOB_STATE_{state.name}")


def states_from_proto(values: Iterable[int]) -> list[JobState]:
    """Return the states that a listing asks for.

    Raises:
        InvalidRequest: for a number that is no state.
    """
    known = {int(state_to_proto(state)): state for state in JobState}
    values = list(values)
    for value in values:
        if value not in known:
            raise InvalidRequest(f"states: {value} is no state that this daemon knows")
    return [known[value] for value in values]


def event_to_proto(event: Event) -> event_pb2.JobEvent:
    """Return an event as the API tells it: equal events give equal bytes."""
    told = event_pb2.JobEvent(
        job_id=event.job_id,
        sequence=event.sequence,
        time=time_to_proto(event.time),
        attempt=event.attempt,
    )
    _TELL[event.kind](told, event.body)
    return told


def _state_changed(told: event_pb2.JobEvent, body: Body) -> None:
    outcome = _outcome(outcome_from(body["outcome"])) if body["outcome"] else None
    changed = event_pb2.StateChanged(
        state=state_to_proto(JobState(body["state"])), reason=body["reason"], outcome=outcome
    )
    told.state_changed.CopyFrom(changed)


def _checkpoint(body: Body) -> event_pb2.CheckpointSaved:
    return event_pb2.CheckpointSaved(
        kind=body["which"],
        epoch=body["epoch"],
        step=body["step"],
        path=body["path"],
        sha256=body["sha256"],
    )


_TELL: Mapping[EventKind, Callable[[event_pb2.JobEvent, Body], None]] = {
    EventKind.STATE: _state_changed,
    EventKind.PLANNED: lambda told, body: told.planned.CopyFrom(event_pb2.Planned(**body)),
    EventKind.PROGRESS: lambda told, body: told.progress.CopyFrom(_progress(body)),
    EventKind.EPOCH: lambda told, body: told.epoch.CopyFrom(_epoch(body)),
    EventKind.CHECKPOINT: lambda told, body: told.checkpoint_saved.CopyFrom(_checkpoint(body)),
    EventKind.NOTICE: lambda told, body: told.notice.CopyFrom(event_pb2.Notice(**body)),
    EventKind.EVALUATED: lambda told, body: told.evaluation.CopyFrom(_evaluation(body)),
    EventKind.ARTIFACT: lambda told, body: told.artifact.CopyFrom(_artifact(body)),
}


def _outcome(outcome: Outcome) -> job_pb2.JobOutcome:
    return job_pb2.JobOutcome(
        reason=job_pb2.OutcomeReason.Value(f"OUTCOME_REASON_{outcome.reason.name}"),
        message=outcome.message,
        remedy=outcome.remedy,
        exit_code=outcome.exit_code,
        signal=outcome.signal,
        log_tail=outcome.log_tail,
        faults=[
            job_pb2.RecipeFault(field=fault.field, description=fault.description)
            for fault in outcome.faults
        ],
        spread=job_pb2.Spread(**asdict(outcome.spread)) if outcome.spread else None,
    )


def _progress(body: Body) -> job_pb2.Progress:
    return job_pb2.Progress(
        epoch=body["epoch"],
        epochs=body["epochs"],
        step=body["step"],
        steps=body["steps"],
        loss=body["loss"],
        images_per_second=body["images_per_second"],
        phase=job_pb2.Phase.Value(f"PHASE_{body['phase'].upper()}"),
    )


def _epoch(body: Body) -> job_pb2.Epoch:
    scores = {name: body[name] and job_pb2.Score(**body[name]) for name in ("train", "val")}
    return job_pb2.Epoch(**{**body, **scores})


def _summary(epochs: Sequence[Body]) -> job_pb2.Summary | None:
    best = next((epoch for epoch in reversed(epochs) if epoch["best"]), None)
    if best is None:
        return None
    last = next(epoch for epoch in reversed(epochs) if epoch["val"])
    best_accuracy, last_accuracy = best["val"]["accuracy"], last["val"]["accuracy"]
    return job_pb2.Summary(
        best_epoch=best["epoch"],
        best_accuracy=best_accuracy,
        last_epoch=last["epoch"],
        last_accuracy=last_accuracy,
        overfit_drop=best_accuracy - last_accuracy,
    )


def _evaluation(body: Body) -> job_pb2.Evaluation:
    return job_pb2.Evaluation(
        split=body["split"],
        epoch=body["epoch"],
        score=job_pb2.Score(**body["score"]),
        classes=[job_pb2.ClassScore(**each) for each in body["classes"]],
    )


def _artifact(body: Body) -> job_pb2.Artifact:
    return job_pb2.Artifact(kind=body["what"], path=body["path"])


def device_to_proto(standing: Standing) -> device_pb2.Device:
    """Return a device as the API tells it."""
    device, reading, sample = standing.device, standing.reading, standing.reading.sample
    return device_pb2.Device(
        id=device.id,
        uuid=device.uuid,
        kind=device_pb2.DeviceKind.Value(f"DEVICE_KIND_{device.kind.name}"),
        name=device.name,
        state=device_pb2.DeviceState.Value(f"DEVICE_STATE_{standing.state.name}"),
        reason=standing.reason,
        cpus=device.cpus,
        memory_total_bytes=device.memory_bytes,
        memory_used_bytes=reading.memory_used_bytes,
        memory_reserved_bytes=standing.reserved_bytes,
        memory_foreign_bytes=reading.memory_foreign_bytes,
        foreign=map(_foreign, reading.foreign),
        jobs=map(_guest, standing.guests),
        utilization=sample.utilization,
        temperature_celsius=sample.temperature_celsius,
        energy_joules=sample.energy_joules,
        xid_errors=sample.xid_errors,
        sample_time=time_to_proto(reading.time) if reading.time else None,
    )


def _foreign(usage: Usage) -> device_pb2.ForeignProcess:
    return device_pb2.ForeignProcess(
        pid=usage.pid, name=usage.name, memory_bytes=usage.memory_bytes
    )


def _guest(guest: Guest) -> device_pb2.DeviceJob:
    return device_pb2.DeviceJob(
        job_id=guest.job_id, name=guest.name, memory_bytes=guest.memory_bytes
    )


def _duration(seconds: float) -> Duration:
    told = Duration()
    told.FromTimedelta(timedelta(seconds=seconds))
    return told


def file_to_proto(file: File) -> job_service_pb2.ArtifactFile:
    """Return a file that a job has made."""
    return job_service_pb2.ArtifactFile(
        kind=file.kind, name=file.path.name, size_bytes=file.size_bytes, path=str(file.path)
    )


def usage_to_proto(usage: UserUsage) -> daemon_service_pb2.UserUsage:
    """Return what a user has of the machine."""
    return daemon_service_pb2.UserUsage(**asdict(usage))


def time_to_proto(moment: datetime) -> Timestamp:
    """Return a moment as the API tells it."""
    told = Timestamp()
    told.FromDatetime(moment)
    return told
