"""What happens to a job that is said to train: its plan, its epochs, its good end."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from finetuned.v1 import event_pb2, job_pb2
from ftctl.testing.checks import epochs_of

TRAIN_IMAGES, VAL_IMAGES = 240, 60
MADE = {
    "model": "model.safetensors", "picture/curves": "curves.png", "table/verdicts": "verdicts.csv",
}  # fmt: skip
Step = Mapping[str, Any]
"""The one field of a JobEvent that says what happened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """A job's training, known ahead."""

    recipe: Mapping[str, Any]
    run_dir: str

    @property
    def epochs(self) -> int:
        """Epochs in all."""
        return epochs_of(self.recipe)

    @property
    def batch_size(self) -> int:
        """Images per step."""
        return int(self.recipe["train"].get("batch_size", 32))

    @property
    def steps_per_epoch(self) -> int:
        """Steps per epoch."""
        return -(-TRAIN_IMAGES // self.batch_size)

    def plan_json(self) -> str:
        """Return the plan as the engine would write it, in its main parts."""
        return json.dumps({
            "format": 1, "device": "cpu", "threads": 1, "precision": "fp32",
            "layout": "contiguous", "loader_workers": 0, "chunk": 16, "prefix": [],
            "batch_size": self.batch_size, "accumulate": 1, "epochs": self.epochs,
            "steps_per_epoch": self.steps_per_epoch, "steps": self.epochs * self.steps_per_epoch,
            "data": {
                "source": "made up", "classes": ["ants", "bees"], "channels": 3, "left_out": [],
                "train": {"images": TRAIN_IMAGES, "per_class": [TRAIN_IMAGES // 2] * 2},
                "val": {"images": VAL_IMAGES, "per_class": [VAL_IMAGES // 2] * 2},
            },
            "preprocess": {
                "steps": {"resize": None, "crop": None, "interpolation": "bilinear"},
                "origin": "made up",
            },
            "weights": {"source": "none", "tensors_loaded": 0, "tensors_new": [], "head": "new"},
            "groups": [
                {"name": "all", "tensors": 20, "parameters": 24058, "lr": 0.1, "weight_decay": 0.0}
            ],
            "rates": [{
                "steps": [0, self.epochs * self.steps_per_epoch - 1],
                "curves": [{"group": "all", "lr": [0.1, 0.1]}],
            }],
            "parameters": 24058, "parameters_trained": 24058, "macs": 1_400_000,
            "activation_bytes": self.batch_size * 2**15,
            "batch_norm_eval": 0, "batch_norm_train": 3, "notices": [],
        })  # fmt: skip

    def steps(self, job: job_pb2.Job) -> Iterator[Step]:
        """Yield what happens once a job trains, to its good end."""
        last = self.epochs
        for number in range(1, self.epochs + 1):
            yield {"progress": self._progress(number)}
            yield {"epoch": self._epoch(number)}
            yield {"checkpoint_saved": self._checkpoint("last", number)}
            yield {"checkpoint_saved": self._checkpoint("best", number)}
            if job.is_finishing:
                last = number
                break
        yield {"evaluation": evaluation(last)}
        for kind, name in MADE.items():
            path = f"{self.run_dir}/artifacts/{name}"
            yield {"artifact": job_pb2.Artifact(kind=kind, path=path)}
        yield self._good_end(last)

    def _good_end(self, last: int) -> Step:
        reason, told = job_pb2.OUTCOME_REASON_COMPLETED, "Trained to the end of its recipe."
        if last < self.epochs:
            reason = job_pb2.OUTCOME_REASON_STOPPED_BY_USER
            told = (
                f"Ended after epoch {last}, as its user asked; its model is that of epoch {last}, "
                "its best."
            )
        return ended(job_pb2.JOB_STATE_SUCCEEDED, reason, told, exit_code=0)

    def _progress(self, number: int) -> job_pb2.Progress:
        return job_pb2.Progress(
            epoch=number, epochs=self.epochs, step=number * self.steps_per_epoch,
            steps=self.epochs * self.steps_per_epoch, loss=_loss(number),
            images_per_second=1000.0, phase=job_pb2.PHASE_TRAINING,
        )  # fmt: skip

    def _epoch(self, number: int) -> job_pb2.Epoch:
        return job_pb2.Epoch(
            epoch=number, step=number * self.steps_per_epoch,
            train=_score(number, TRAIN_IMAGES), val=_val_score(number),
            lrs=[0.1], images_per_second=1000.0, memory_bytes=2**28, seconds=0.25, best=True,
        )  # fmt: skip

    def _checkpoint(self, kind: str, number: int) -> event_pb2.CheckpointSaved:
        return event_pb2.CheckpointSaved(
            kind=kind, epoch=number, step=number * self.steps_per_epoch, sha256="0" * 64,
            path=f"{self.run_dir}/checkpoints/{kind}-{number}",
        )  # fmt: skip


def moved(state: job_pb2.JobState.ValueType, reason: str = "") -> Step:
    """Return a change of state."""
    return {"state_changed": event_pb2.StateChanged(state=state, reason=reason)}


def ended(
    state: job_pb2.JobState.ValueType,
    reason: job_pb2.OutcomeReason.ValueType,
    message: str,
    **outcome: Any,
) -> Step:
    """Return an end."""
    told = job_pb2.JobOutcome(reason=reason, message=message, **outcome)
    return {"state_changed": event_pb2.StateChanged(state=state, outcome=told)}


def _loss(number: int) -> float:
    return round(1.5 * 0.7**number, 4)


def _score(number: int, count: int) -> job_pb2.Score:
    # Better each epoch, and never quite good.
    correct = round(count * (1 - 0.4 * 0.8**number))
    share = correct / count
    return job_pb2.Score(
        loss=_loss(number), accuracy=share, correct=correct, count=count,
        accuracy_low=max(share - 0.05, 0.0), accuracy_high=min(share + 0.05, 1.0),
    )  # fmt: skip


def _val_score(number: int) -> job_pb2.Score:
    score = _score(number, VAL_IMAGES)
    score.balanced_accuracy = score.accuracy
    score.calibration_error = 0.05
    return score


def evaluation(number: int) -> job_pb2.Evaluation:
    """Return what the net after an epoch scores."""
    score = _val_score(number)
    half = VAL_IMAGES // 2
    ants = score.correct // 2
    found = (("ants", ants), ("bees", score.correct - ants))
    classes = [
        job_pb2.ClassScore(label=label, count=half, predicted=half, correct=correct)
        for label, correct in found
    ]
    return job_pb2.Evaluation(split="val", epoch=number, score=score, classes=classes)


def summary(epochs: Sequence[job_pb2.Epoch]) -> job_pb2.Summary:
    """Return a run in a line."""
    last = epochs[-1]
    best = next((epoch for epoch in reversed(epochs) if epoch.best), last)
    return job_pb2.Summary(
        best_epoch=best.epoch, best_accuracy=best.val.accuracy, last_epoch=last.epoch,
        last_accuracy=last.val.accuracy,
        overfit_drop=best.val.accuracy - last.val.accuracy,
    )  # fmt: skip
