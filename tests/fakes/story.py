"""The story of a job, event by event, as a real run tells it."""

import math
from collections.abc import AsyncIterator
from typing import Any

from finetuned.v1 import event_pb2, job_pb2
from tests.fakes.scripted_daemon import FakeDaemon, plan_json

EPOCHS, STEPS_PER_EPOCH, TRAIN_IMAGES, VAL_IMAGES = 25, 61, 244, 153


async def tell(daemon: FakeDaemon, job_id: str, *, epochs: int = EPOCHS) -> None:
    """Let a job run from its submission to its good end."""
    async for event in events(epochs=epochs):
        await daemon.emit(job_id, **event)


async def events(*, epochs: int = EPOCHS) -> AsyncIterator[dict[str, Any]]:
    """Yield what happens to a job that succeeds."""
    steps = epochs * STEPS_PER_EPOCH
    yield state(job_pb2.JOB_STATE_QUEUED, reason="plan pending")
    yield {"planned": event_pb2.Planned(plan_json=plan_json(epochs=epochs, steps=steps))}
    yield state(job_pb2.JOB_STATE_STARTING)
    yield state(job_pb2.JOB_STATE_RUNNING)
    yield progress(0, epochs, 0, job_pb2.PHASE_SETUP)
    best = 0.0
    for number in range(1, epochs + 1):
        done = (number - 1) * STEPS_PER_EPOCH
        for step in (20, 40, STEPS_PER_EPOCH):
            yield progress(number, epochs, done + step, job_pb2.PHASE_TRAINING)
        yield progress(number, epochs, done + STEPS_PER_EPOCH, job_pb2.PHASE_EVALUATING)
        record = epoch(number)
        record.best = record.val.accuracy > best
        best = max(best, record.val.accuracy)
        yield {"epoch": record}
        kinds = ["last", "best"] if record.best else ["last"]
        for kind in kinds:
            yield {"checkpoint_saved": checkpoint(kind, number)}
    yield progress(epochs, epochs, steps, job_pb2.PHASE_EXPORTING)
    for kind, name in (("model", "model.safetensors"), ("picture/curves", "curves.png")):
        yield {"artifact": job_pb2.Artifact(kind=kind, path=f"{RUN}/artifacts/{name}")}
    yield state(
        job_pb2.JOB_STATE_SUCCEEDED,
        outcome=job_pb2.JobOutcome(
            reason=job_pb2.OUTCOME_REASON_COMPLETED,
            message=f"trained {epochs} epochs",
            exit_code=0,
        ),
    )


RUN = "/var/lib/finetuned/runs/3f2a9c1b7e604d5f8a1b2c3d4e5f6071/1"


def failure() -> dict[str, Any]:
    """Return the end of a job that met a broken image."""
    return state(
        job_pb2.JOB_STATE_FAILED,
        outcome=job_pb2.JobOutcome(
            reason=job_pb2.OUTCOME_REASON_BAD_DATA,
            message="train/ants/0013035.jpg cannot be read: image file is truncated (4 bytes left)",
            remedy="repair or delete the file, then submit the job again",
            exit_code=1,
            log_tail=["epoch 1 of 25", "reading train/ants/0013035.jpg", "BadImage: truncated"],
        ),
    )


def state(
    to: job_pb2.JobState, *, reason: str = "", outcome: job_pb2.JobOutcome | None = None
) -> dict[str, Any]:
    """Return a change of state."""
    return {"state_changed": event_pb2.StateChanged(state=to, reason=reason, outcome=outcome)}


def progress(number: int, epochs: int, step: int, phase: job_pb2.Phase) -> dict[str, Any]:
    """Return where a worker stands."""
    return {
        "progress": job_pb2.Progress(
            epoch=number,
            epochs=epochs,
            step=step,
            steps=epochs * STEPS_PER_EPOCH,
            loss=0.7 * math.exp(-step / 400),
            images_per_second=112.4 if step else 0.0,
            phase=phase,
        )
    }


def epoch(number: int) -> job_pb2.Epoch:
    """Return the record of an epoch."""
    hits = round(VAL_IMAGES * (0.96 - 0.35 * math.exp(-number / 3)) - (number % 3))
    seen = round(TRAIN_IMAGES * (0.97 - 0.4 * math.exp(-number / 4)))
    return job_pb2.Epoch(
        epoch=number,
        step=number * STEPS_PER_EPOCH,
        train=score(0.12 + 0.55 * math.exp(-number / 5), seen, TRAIN_IMAGES),
        val=score(0.14 + 0.45 * math.exp(-number / 4), hits, VAL_IMAGES),
        lrs=[1e-3 * 0.1 ** ((number - 1) // 7)],
        images_per_second=112.4,
        memory_bytes=431_000_000,
        seconds=4.1,
    )


def score(loss: float, correct: int, count: int) -> job_pb2.Score:
    """Return loss and accuracy with its interval."""
    share, z = correct / count, 1.959964
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count)
    half *= math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return job_pb2.Score(
        loss=loss,
        accuracy=share,
        correct=correct,
        count=count,
        accuracy_low=middle - half,
        accuracy_high=middle + half,
    )


def checkpoint(kind: str, number: int) -> event_pb2.CheckpointSaved:
    """Return a checkpoint."""
    return event_pb2.CheckpointSaved(
        kind=kind,
        epoch=number,
        step=number * STEPS_PER_EPOCH,
        path=f"{RUN}/checkpoints/{kind}",
        sha256="c0" * 32,
    )
