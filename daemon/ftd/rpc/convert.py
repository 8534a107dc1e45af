"""The model to proto and back. The only code that knows both."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from finetuned.v1 import event_pb2, job_pb2
from ftd.errors import InvalidRequest
from ftd.jobs.history import outcome_from
from ftd.jobs.model import Event, EventKind, Job, JobRequest, JobState, Outcome

Body = Mapping[str, Any]


def job_to_proto(job: Job) -> job_pb2.Job:
    """Return a job as the API tells it."""
    return job_pb2.Job(
        id=job.id,
        spec=spec_to_proto(job.request),
        state=state_to_proto(job.state),
        reason=job.reason,
        create_time=_time(job.create_time),
        start_time=_time(job.start_time) if job.start_time else None,
        end_time=_time(job.end_time) if job.end_time else None,
        outcome=_outcome(job.outcome) if job.outcome else None,
        attempt=job.attempt,
        last_sequence=job.last_sequence,
        progress=_progress(job.progress) if job.progress is not None else None,
        epochs=map(_epoch, job.epochs),
        plan_json=job.plan_json,
        artifacts=map(_artifact, job.artifacts),
        run_dir=job.run_dir,
    )


def spec_to_proto(request: JobRequest) -> job_pb2.JobSpec:
    """Return what was asked for."""
    return job_pb2.JobSpec(
        name=request.name,
        resources=job_pb2.Resources(devices=request.devices),
        priority=request.priority,
        after=request.after,
        labels=request.labels,
        recipe_json=request.recipe_json,
    )


def spec_from_proto(spec: job_pb2.JobSpec, *, recipe_json: str) -> JobRequest:
    """Return what is asked for, defaults filled in, with the canonical recipe."""
    devices = spec.resources.devices if spec.resources.HasField("devices") else 1
    return JobRequest(
        name=spec.name,
        devices=devices,
        priority=spec.priority,
        after=tuple(spec.after),
        labels=dict(spec.labels),
        recipe_json=recipe_json,
    )


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
        time=_time(event.time),
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
    train = job_pb2.Score(**body["train"]) if body["train"] else None
    return job_pb2.Epoch(**{**body, "train": train, "val": job_pb2.Score(**body["val"])})


def _artifact(body: Body) -> job_pb2.Artifact:
    return job_pb2.Artifact(kind=body["what"], path=body["path"])


def _time(moment: datetime) -> Timestamp:
    told = Timestamp()
    told.FromDatetime(moment)
    return told
