"""Events as plain lines, for pipes and logs. Needs no rich."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, TextIO

from ftctl.models import (
    ArtifactMade,
    CheckpointSaved,
    Epoch,
    EpochEnded,
    Evaluated,
    Event,
    JobState,
    Notice,
    Outcome,
    Planned,
    Progress,
    ProgressMade,
    StateChanged,
)
from ftctl.scores import Evaluation
from ftctl.view import text
from ftctl.view.gap import GapLines

KIND_COLUMNS = 10
# Of the job's time. Jobs tell their progress twice a second; a log keeps what is worth reading.
PROGRESS_EVERY_S = 10.0


class LineView(AbstractContextManager[Callable[[Event], None]]):
    """Writes events as lines; what a failure leaves to say goes to standard error."""

    def __init__(self, *, out: TextIO, err: TextIO) -> None:
        self._out = out
        self._err = err
        self._gap_lines = GapLines(err)
        self._progress_time: datetime | None = None

    def __enter__(self) -> Callable[[Event], None]:
        """Return what writes an event."""
        return self.show

    def __exit__(self, *_: object) -> None:
        """Leave nothing behind."""

    def show(self, event: Event) -> None:
        """Write what happened, progress now and then."""
        if isinstance(event, ProgressMade) and not self._is_due(event):
            return
        self._out.write(line(event) + "\n")
        self._out.flush()
        if isinstance(event, StateChanged) and event.outcome:
            for fault in event.outcome.faults:
                self._err.write(f"{text.clean(str(fault))}\n")
            for entry in event.outcome.log_tail:
                self._err.write(f"| {text.clean_line(entry)}\n")

    def show_gap(self, seconds: float | None) -> None:
        """Write when the daemon goes away and when it is back."""
        self._gap_lines(seconds)

    def _is_due(self, event: ProgressMade) -> bool:
        before = self._progress_time
        # A clock that was set back must not silence a job.
        if before and 0 <= (event.time - before).total_seconds() < PROGRESS_EVERY_S:
            return False
        self._progress_time = event.time
        return True


def line(event: Event) -> str:
    """Return an event as one line: time in UTC, kind, what happened."""
    kind, told = _tell(event)
    return f"{stamp(event.time)}  {kind:<{KIND_COLUMNS}}  {told}".rstrip()


def stamp(time: datetime) -> str:
    """Return a moment such as 2026-11-21T03:04:05Z."""
    return f"{time:%Y-%m-%dT%H:%M:%SZ}"


def _tell(event: Event) -> tuple[str, str]:
    match event:
        case StateChanged():
            told = _outcome(event.outcome) if event.outcome else event.reason
            if event.state is JobState.PAUSED:
                told = f"{told}; waiting here until it goes on"
            return event.state, text.clean(told)
        case Planned():
            return "planned", _plan(event.plan)
        case ProgressMade():
            return "progress", _progress(event.progress)
        case EpochEnded():
            return "epoch", _epoch(event.epoch)
        case CheckpointSaved():
            return "checkpoint", f"{event.kind} of epoch {event.epoch}: {event.path}"
        case ArtifactMade():
            return "artifact", f"{event.artifact.kind}: {event.artifact.path}"
        case Notice():
            return "notice", text.clean(event.message)
        case Evaluated():
            return "evaluated", _evaluation(event.evaluation)
        case _:
            return "event", ""


def _outcome(outcome: Outcome) -> str:
    told = f"{outcome.reason}: {outcome.message.removesuffix('.')}"
    return f"{told}. {outcome.remedy}" if outcome.remedy else told


def _plan(plan: Mapping[str, Any]) -> str:
    try:
        data = plan["data"]
        return (
            f"{text.counted(len(data['classes']), 'class')}, "
            f"{text.count(data['train']['images'])} + {text.count(data['val']['images'])} images, "
            f"{text.count(plan['parameters_trained'])} of {text.count(plan['parameters'])} "
            f"parameters train, {text.counted(plan['epochs'], 'epoch')}, "
            f"{text.counted(plan['steps'], 'step')}"
        )
    except (KeyError, TypeError):
        return "a plan of another version"


def _progress(progress: Progress) -> str:
    return (
        f"epoch {progress.epoch}/{progress.epochs}, step {progress.step}/{progress.steps}, "
        f"loss {text.loss(progress.loss)}, {text.rate(progress.images_per_second)} img/s, "
        f"{progress.phase}"
    )


def _evaluation(evaluation: Evaluation) -> str:
    score = evaluation.score
    told = [f"loss {text.loss(score.loss)} acc {text.accuracy(score)}", *text.measures(score)]
    return f"{text.clean(evaluation.split)}: {', '.join(told)}"


def _epoch(epoch: Epoch) -> str:
    train = (
        f"train loss {text.loss(epoch.train.loss)} acc {text.percent(epoch.train.accuracy)} %, "
        if epoch.train
        else ""
    )
    rates = "/".join(text.learning_rate(lr) for lr in epoch.lrs)
    val = "not evaluated"
    if epoch.val:
        val = f"val loss {text.loss(epoch.val.loss)} acc {text.accuracy(epoch.val)}"
    return (
        f"{epoch.epoch}: {train}{val}, "
        f"{f'lr {rates}, ' if rates else ''}{text.rate(epoch.images_per_second)} img/s, "
        f"{text.size(epoch.memory_bytes)}, {text.seconds(epoch.seconds)}"
        f"{', best' if epoch.best else ''}"
    )
