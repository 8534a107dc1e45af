"""Between the API's messages and what users of the client see."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Literal, TypeVar

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from finetuned.v1 import event_pb2, job_pb2, job_service_pb2
from ftctl import models, scores
from ftctl.errors import Fault
from ftctl.plans import Plan
from ftctl.request import JobRequest

E = TypeVar("E", bound=StrEnum)


def spec(request: JobRequest) -> job_pb2.JobSpec:
    """Write a request as the API's message."""
    message = job_pb2.JobSpec(
        name=request.name,
        resources=job_pb2.Resources(devices=request.devices, memory_bytes=request.memory_bytes),
        priority=request.priority,
        after=request.after,
        labels=request.labels,
        recipe_json=request.recipe_json,
    )
    if request.not_before is not None:
        message.not_before.FromDatetime(request.not_before)
    if request.timeout is not None:
        message.timeout.FromTimedelta(request.timeout)
    if request.retries is not None:
        message.retries = request.retries
    message.preemptible = request.preemptible
    if request.min_runtime is not None:
        message.min_runtime.FromTimedelta(request.min_runtime)
    return message


def job(message: job_pb2.Job) -> models.Job:
    """Read a job."""
    epochs = tuple(_epoch(item) for item in message.epochs)
    given = message.spec
    asked = given.resources
    return models.Job(
        id=message.id,
        name=given.name,
        user=message.user,
        state=_state(message.state),
        reason=message.reason,
        priority=given.priority,
        devices=asked.devices if asked.HasField("devices") else 1,
        memory_bytes=asked.memory_bytes if asked.HasField("memory_bytes") else None,
        after=tuple(given.after),
        not_before=time(given, "not_before"),
        timeout_seconds=_span(given, "timeout"),
        retries=given.retries,
        preemptible=given.preemptible,
        min_runtime_seconds=_span(given, "min_runtime"),
        labels=dict(given.labels),
        create_time=time(message, "create_time"),
        start_time=time(message, "start_time"),
        end_time=time(message, "end_time"),
        attempt=message.attempt,
        attempts=tuple(_attempt(item) for item in message.attempts),
        device_seconds=message.device_seconds,
        outcome=_outcome(message.outcome) if message.HasField("outcome") else None,
        progress=_progress(message.progress) if message.HasField("progress") else None,
        best=next((epoch for epoch in reversed(epochs) if epoch.best), None),
        epochs=epochs,
        recipe=json.loads(given.recipe_json or "{}"),
        plan=Plan(json.loads(message.plan_json)) if message.plan_json else None,
        artifacts=tuple(_artifact(item) for item in message.artifacts),
        run_dir=message.run_dir,
        last_sequence=message.last_sequence,
        is_finishing=message.is_finishing,
        summary=_summary(message.summary) if message.HasField("summary") else None,
        evaluations=tuple(evaluation(item) for item in message.evaluations),
        base=message.base,
        inexact=message.inexact,
        retry_time=time(message, "retry_time"),
        failures=message.failures,
        pause_time=time(message, "pause_time"),
    )


def event(message: event_pb2.JobEvent) -> models.Event | None:
    """Read an event; None where its kind is not known to this client."""
    kind = message.WhichOneof("event")
    if kind is None:
        return None
    return _EVENTS[kind](
        getattr(message, kind),
        job_id=message.job_id,
        sequence=message.sequence,
        time=_utc(message.time),
        attempt=message.attempt,
    )


def _state_changed(body: event_pb2.StateChanged, **where: Any) -> models.Event:
    outcome = _outcome(body.outcome) if body.HasField("outcome") else None
    return models.StateChanged(
        state=_state(body.state), reason=body.reason, outcome=outcome, **where
    )


def _planned(body: event_pb2.Planned, **where: Any) -> models.Event:
    return models.Planned(plan=Plan(json.loads(body.plan_json)), **where)


def _progress_made(body: job_pb2.Progress, **where: Any) -> models.Event:
    return models.ProgressMade(progress=_progress(body), **where)


def _epoch_ended(body: job_pb2.Epoch, **where: Any) -> models.Event:
    return models.EpochEnded(epoch=_epoch(body), **where)


def _checkpoint_saved(body: event_pb2.CheckpointSaved, **where: Any) -> models.Event:
    return models.CheckpointSaved(
        kind=body.kind,
        epoch=body.epoch,
        step=body.step,
        path=body.path,
        sha256=body.sha256,
        **where,
    )


def _notice(body: event_pb2.Notice, **where: Any) -> models.Event:
    return models.Notice(message=body.message, **where)


def _artifact_made(body: job_pb2.Artifact, **where: Any) -> models.Event:
    return models.ArtifactMade(artifact=_artifact(body), **where)


def _evaluated(body: job_pb2.Evaluation, **where: Any) -> models.Event:
    return models.Evaluated(evaluation=evaluation(body), **where)


_EVENTS: dict[str, Callable[..., models.Event]] = {
    "state_changed": _state_changed,
    "planned": _planned,
    "progress": _progress_made,
    "epoch": _epoch_ended,
    "checkpoint_saved": _checkpoint_saved,
    "notice": _notice,
    "artifact": _artifact_made,
    "evaluation": _evaluated,
}


def states(chosen: tuple[models.JobState, ...]) -> list[job_pb2.JobState.ValueType]:
    """Write states as the API's enum."""
    return [job_pb2.JobState.Value(f"JOB_STATE_{state.name}") for state in chosen]


def _state(number: int) -> models.JobState:
    return member(models.JobState, job_pb2.JobState, number, "JOB_STATE_")


def member(kind: type[E], wire: Any, number: int, prefix: str) -> E:
    """Read an enum; a value that a newer daemon sends, or none, is `unknown`."""
    name = wire.Name(number).removeprefix(prefix) if number in wire.values() else "UNKNOWN"
    return kind[name] if name in kind.__members__ else kind["UNKNOWN"]


def _outcome(message: job_pb2.JobOutcome) -> models.Outcome:
    return models.Outcome(
        reason=member(
            models.OutcomeReason, job_pb2.OutcomeReason, message.reason, "OUTCOME_REASON_"
        ),
        message=message.message,
        remedy=message.remedy,
        exit_code=message.exit_code if message.HasField("exit_code") else None,
        signal=message.signal if message.HasField("signal") else None,
        log_tail=tuple(message.log_tail),
        faults=tuple(
            Fault(field=fault.field, description=fault.description) for fault in message.faults
        ),
        spread=_spread(message.spread) if message.HasField("spread") else None,
    )


def _spread(message: job_pb2.Spread) -> scores.Spread:
    return scores.Spread(
        accuracies=tuple(message.accuracies),
        mean=message.mean,
        deviation=message.deviation,
        low=message.low if message.HasField("low") else None,
        high=message.high if message.HasField("high") else None,
    )


def _progress(message: job_pb2.Progress) -> models.Progress:
    return models.Progress(
        epoch=message.epoch,
        epochs=message.epochs,
        step=message.step,
        steps=message.steps,
        loss=message.loss,
        images_per_second=message.images_per_second,
        phase=member(models.Phase, job_pb2.Phase, message.phase, "PHASE_"),
    )


def _epoch(message: job_pb2.Epoch) -> models.Epoch:
    return models.Epoch(
        epoch=message.epoch,
        step=message.step,
        train=_score(message.train) if message.HasField("train") else None,
        val=_score(message.val) if message.HasField("val") else None,
        lrs=tuple(message.lrs),
        images_per_second=message.images_per_second,
        memory_bytes=message.memory_bytes,
        seconds=message.seconds,
        best=message.best,
        repeat=message.repeat,
        stage=message.stage,
    )


def _score(message: job_pb2.Score) -> scores.Score:
    return scores.Score(
        loss=message.loss,
        accuracy=message.accuracy,
        correct=message.correct,
        count=message.count,
        accuracy_low=message.accuracy_low,
        accuracy_high=message.accuracy_high,
        balanced_accuracy=_share(message, "balanced_accuracy"),
        top5_accuracy=_share(message, "top5_accuracy"),
        calibration_error=_share(message, "calibration_error"),
    )


def _share(message: Message, name: str) -> float | None:
    share: float | None = getattr(message, name) if message.HasField(name) else None
    return share


def _summary(message: job_pb2.Summary) -> scores.Summary:
    return scores.Summary(
        best_epoch=message.best_epoch,
        best_accuracy=message.best_accuracy,
        last_epoch=message.last_epoch,
        last_accuracy=message.last_accuracy,
        overfit_drop=message.overfit_drop,
    )


def evaluation(message: job_pb2.Evaluation) -> scores.Evaluation:
    return scores.Evaluation(
        split=message.split,
        epoch=message.epoch,
        score=_score(message.score),
        classes=tuple(
            scores.ClassScore(
                label=item.label,
                count=item.count,
                predicted=item.predicted,
                correct=item.correct,
            )
            for item in message.classes
        ),
    )


def artifact_file(message: job_service_pb2.ArtifactFile) -> models.ArtifactFile:
    """Return a file that a job has made."""
    return models.ArtifactFile(
        kind=message.kind, name=message.name, size_bytes=message.size_bytes, path=message.path
    )


def _artifact(message: job_pb2.Artifact) -> models.Artifact:
    return models.Artifact(kind=message.kind, path=message.path)


def _attempt(message: job_pb2.Attempt) -> models.Attempt:
    return models.Attempt(
        number=message.number,
        devices=tuple(message.devices),
        start_time=time(message, "start_time"),
        end_time=time(message, "end_time"),
        outcome=_outcome(message.outcome) if message.HasField("outcome") else None,
    )


def _span(given: job_pb2.JobSpec, field: Literal["timeout", "min_runtime"]) -> float | None:
    if not given.HasField(field):
        return None
    span: Duration = getattr(given, field)
    return span.ToTimedelta().total_seconds()


def time(message: Message, field: str) -> datetime | None:
    """Read a moment that may be absent."""
    return _utc(getattr(message, field)) if message.HasField(field) else None


def _utc(moment: Timestamp) -> datetime:
    return moment.ToDatetime(tzinfo=UTC)
