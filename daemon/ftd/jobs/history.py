"""What events say of a job, and what a job's state says as an event. Pure."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from ftd.jobs.model import Event, EventKind, Job, JobState, NewEvent, Outcome, OutcomeReason
from fttrain.events import Spread
from fttrain.spec.faults import Fault


def state_event(job: Job, *, now: datetime) -> NewEvent:
    """Return the event that tells a job's present state."""
    outcome = asdict(job.outcome) if job.outcome else None
    body = {"state": job.state, "reason": job.reason, "outcome": outcome}
    return NewEvent(kind=EventKind.STATE, time=now, attempt=job.attempt, body=body)


def numbered(job: Job, events: Iterable[NewEvent]) -> list[Event]:
    """Give events the job's next sequence numbers and the form in which they are read back."""
    return [
        Event(
            job_id=job.id,
            sequence=sequence,
            kind=event.kind,
            time=event.time,
            attempt=event.attempt,
            body=json.loads(text_of(event.body)),
        )
        for sequence, event in enumerate(events, start=job.last_sequence + 1)
    ]


def model_with(job: Job, events: Iterable[Event]) -> Job:
    """Return the job as its events leave it: progress, epochs, artifacts, plan, sequence."""
    for event in events:
        job = replace(_with_one(job, event), last_sequence=event.sequence)
    return job


def _with_one(job: Job, event: Event) -> Job:
    match event.kind:
        case EventKind.PROGRESS:
            return replace(job, progress=event.body)
        case EventKind.EPOCH:
            return replace(
                job,
                epochs=(epochs := (*job.epochs, event.body)),
                progress=_progress_at(job, event.body, images=_trained_on(epochs)),
            )
        case EventKind.PLANNED:
            return replace(job, plan_json=event.body["plan_json"])
        case EventKind.ARTIFACT:
            return _with_artifact(job, event.body["what"], event.body["path"])
        case EventKind.EVALUATED:
            return replace(job, evaluations=latest((*job.evaluations, event.body)))
        case EventKind.CHECKPOINT:
            return _with_artifact(job, f"checkpoint/{event.body['which']}", event.body["path"])
        case _:
            return job


def _progress_at(job: Job, epoch: Mapping[str, Any], *, images: int) -> Mapping[str, Any] | None:
    """Return the progress at the end of an epoch: what was told before it may lag behind."""
    if job.progress is None or epoch["train"] is None:
        return job.progress
    return {
        **job.progress,
        "epoch": epoch["epoch"],
        "step": epoch["step"],
        "loss": epoch["train"]["loss"],
        "images": images,
        "images_per_second": epoch["images_per_second"],
    }


def _trained_on(epochs: Iterable[Mapping[str, Any]]) -> int:
    """Return the number of images trained on, each counted in every epoch."""
    return sum(epoch["train"]["count"] for epoch in epochs if epoch["train"] is not None)


def latest(evaluations: Iterable[Mapping[str, Any]]) -> tuple[Mapping[str, Any], ...]:
    """Return the last evaluation of each split, in the order of the first ones."""
    return tuple({body["split"]: body for body in evaluations}.values())


def _with_artifact(job: Job, what: str, path: str) -> Job:
    others = (item for item in job.artifacts if item["what"] != what)
    return replace(job, artifacts=(*others, {"what": what, "path": path}))


def is_last(event: Event) -> bool:
    """Return True for the event that ends a job."""
    return event.kind is EventKind.STATE and JobState(event.body["state"]).is_terminal


def outcome_from(body: Mapping[str, Any]) -> Outcome:
    """Return the outcome that a state event or a row tells."""
    return Outcome(
        **{
            **body,
            "reason": OutcomeReason(body["reason"]),
            "log_tail": tuple(body["log_tail"]),
            "faults": tuple(Fault(**fault) for fault in body["faults"]),
            "spread": Spread(**body["spread"]) if body.get("spread") else None,
        }
    )


def text_of(body: Any) -> str:
    """Return a body as compact JSON text.

    Raises:
        ValueError: for a number that is not finite.
    """
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
