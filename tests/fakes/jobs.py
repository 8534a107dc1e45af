"""Jobs and events as tests need them: whole, and short to write."""

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from ftd.jobs.model import EventKind, JobRequest, NewEvent
from fttrain.events import ClassScore, EpochEnded, Score

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
RECIPE = (
    '{"data":{"digits":{}},"model":{"cnn":{}},'
    '"train":{"epochs":1,"batch_size":8,"optimizer":{"sgd":{"lr":0.1}}}}'
)


def request(name: str = "", **changes: Any) -> JobRequest:
    fields: dict[str, Any] = {
        "devices": 1, "priority": 0, "after": (), "labels": {}, "recipe_json": RECIPE,
    }  # fmt: skip
    return JobRequest(name=name, **{**fields, **changes})


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def progress(step: int = 1, **changes: Any) -> NewEvent:
    body = {
        "epoch": 1, "epochs": 2, "step": step, "steps": 100, "loss": 0.5,
        "images": 8 * step, "images_per_second": 321.5, "data_wait_s": 0.5,
        "data_wait_ratio": 0.25, "phase": "training",
    }  # fmt: skip
    return NewEvent(kind=EventKind.PROGRESS, time=at(step), attempt=1, body={**body, **changes})


def score(correct: int = 9, count: int = 10) -> Score:
    return Score(
        loss=0.25, accuracy=correct / count, correct=correct, count=count,
        accuracy_low=0.1, accuracy_high=0.95, balanced_accuracy=0.8, top5_accuracy=0.99,
        calibration_error=0.05,
    )  # fmt: skip


def epoch(number: int = 1, **changes: Any) -> NewEvent:
    ended = EpochEnded(
        epoch=number, step=10 * number, train=score(8) if number else None, val=score(9),
        lrs=[0.1, 0.01], images_per_second=1000.5, memory_bytes=2**33, seconds=1.5, best=True,
    )  # fmt: skip
    body = {**asdict(ended), **changes}
    return NewEvent(kind=EventKind.EPOCH, time=at(number), attempt=1, body=body)


def planned(plan_json: str = '{"format":1}') -> NewEvent:
    return NewEvent(kind=EventKind.PLANNED, time=NOW, attempt=0, body={"plan_json": plan_json})


def checkpoint(which: str = "best", number: int = 1) -> NewEvent:
    body = {
        "which": which, "epoch": number, "step": 10, "sha256": "ab" * 32,
        "path": f"/runs/1/checkpoints/{which}-{number}",
    }  # fmt: skip
    return NewEvent(kind=EventKind.CHECKPOINT, time=NOW, attempt=1, body=body)


def artifact(what: str = "model", path: str = "/runs/1/model.safetensors") -> NewEvent:
    return NewEvent(kind=EventKind.ARTIFACT, time=NOW, attempt=1, body={"what": what, "path": path})


def evaluated(split: str = "val") -> NewEvent:
    classes = [asdict(ClassScore(label="ants", count=6, predicted=5, correct=4))]
    body = {"split": split, "epoch": 1, "score": asdict(score(9)), "classes": classes}
    return NewEvent(kind=EventKind.EVALUATED, time=NOW, attempt=1, body=body)


def notice(message: str = "one image was left out") -> NewEvent:
    return NewEvent(kind=EventKind.NOTICE, time=NOW, attempt=1, body={"message": message})
