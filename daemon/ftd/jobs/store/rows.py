"""Rows to jobs, events and attempts, and back."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from typing import Any

from sqlalchemy import Row

from ftd.jobs.history import latest, outcome_from, text_of
from ftd.jobs.model import Attempt, DatasetUse, Event, EventKind, Job, JobRequest, JobState


def digest_of(request: JobRequest) -> str:
    """Return what two equal requests have in common."""
    body = {field.name: getattr(request, field.name) for field in fields(request)}
    text = json.dumps(body, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def new_row(job: Job, *, request_id: str, request_digest: str) -> dict[str, Any]:
    """Return the whole row of a new job, without its number."""
    return {
        "id": job.id,
        "name": job.name,
        "request_id": request_id or None,
        "request_digest": request_digest,
        "devices": job.request.devices,
        "priority": job.request.priority,
        "after": text_of(job.request.after),
        "after_ids": text_of(job.after_ids),
        "labels": text_of(dict(job.request.labels)),
        "refs": text_of(dict(job.references)),
        "datasets": text_of([asdict(used) for used in job.datasets]),
        "create_time": job.create_time,
        "memory_bytes": job.request.memory_bytes,
        "not_before": job.request.not_before,
        "timeout_s": job.request.timeout_s,
        "retries": job.request.retries,
        "preemptible": job.request.is_preemptible,
        "min_runtime_s": job.request.min_runtime_s,
        "base": job.request.base,
        "user": job.user,
        **changing(job),
    }


def changing(job: Job) -> dict[str, Any]:
    """Return the part of a job's row that changes."""
    return {
        "state": job.state.value,
        "reason": job.reason,
        "start_time": job.start_time,
        "end_time": job.end_time,
        "outcome": text_of(asdict(job.outcome)) if job.outcome else None,
        "attempt": job.attempt,
        "last_sequence": job.last_sequence,
        "run_dir": job.run_dir,
        "progress": text_of(job.progress) if job.progress is not None else None,
        "artifacts": text_of(job.artifacts),
        "failures": job.failures,
        "retry_time": job.retry_time,
        "inexact": job.inexact,
    }


def job_from(
    row: Row[Any],
    *,
    epochs: Iterable[Mapping[str, Any]],
    evaluations: Iterable[Mapping[str, Any]] = (),
) -> Job:
    """Return the job of a row of `jobs` joined with `documents`."""
    request = JobRequest(
        name=row.name,
        devices=row.devices,
        priority=row.priority,
        after=tuple(json.loads(row.after)),
        labels=json.loads(row.labels),
        recipe_json=row.recipe_json,
        memory_bytes=row.memory_bytes,
        not_before=row.not_before,
        timeout_s=row.timeout_s,
        retries=row.retries,
        is_preemptible=bool(row.preemptible),
        min_runtime_s=row.min_runtime_s,
        base=row.base,
    )
    return Job(
        id=row.id,
        number=row.number,
        request=request,
        after_ids=tuple(json.loads(row.after_ids)),
        references=json.loads(row.refs),
        datasets=tuple(DatasetUse(**used) for used in json.loads(row.datasets)),
        user=row.user,
        state=JobState(row.state),
        reason=row.reason,
        create_time=row.create_time,
        start_time=row.start_time,
        end_time=row.end_time,
        outcome=outcome_from(json.loads(row.outcome)) if row.outcome else None,
        attempt=row.attempt,
        last_sequence=row.last_sequence,
        plan_json=row.plan_json,
        run_dir=row.run_dir,
        progress=json.loads(row.progress) if row.progress else None,
        epochs=tuple(epochs),
        artifacts=tuple(json.loads(row.artifacts)),
        evaluations=latest(evaluations),
        failures=row.failures,
        retry_time=row.retry_time,
        inexact=row.inexact,
    )


def event_row(event: Event) -> dict[str, Any]:
    """Return the row of an event."""
    return {
        "job_id": event.job_id,
        "sequence": event.sequence,
        "kind": event.kind.value,
        "time": event.time,
        "attempt": event.attempt,
        "body": text_of(event.body),
    }


def event_from(row: Row[Any]) -> Event:
    """Return the event of a row."""
    return Event(
        job_id=row.job_id,
        sequence=row.sequence,
        kind=EventKind(row.kind),
        time=row.time,
        attempt=row.attempt,
        body=json.loads(row.body),
    )


def attempt_row(attempt: Attempt) -> dict[str, Any]:
    """Return the row of an attempt."""
    body = {field.name: getattr(attempt, field.name) for field in fields(attempt)}
    outcome = text_of(asdict(attempt.outcome)) if attempt.outcome else None
    return {**body, "devices": text_of(attempt.devices), "outcome": outcome}


def attempt_from(row: Row[Any]) -> Attempt:
    """Return the attempt of a row."""
    outcome = outcome_from(json.loads(row.outcome)) if row.outcome else None
    devices = tuple(json.loads(row.devices))
    return Attempt(**{**row._mapping, "devices": devices, "outcome": outcome})
