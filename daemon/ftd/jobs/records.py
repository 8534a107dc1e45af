"""Turns the records of a journal into the events of a job."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ftd.jobs.model import EventKind, NewEvent
from fttrain import events as journal

PROGRESS_GAP_S = 0.5
"""Progress reaches watchers at most this often. Epochs and states are never held back."""
SLOWER_AFTER = 5000
"""With each so many events of a job its progress is told half as often: 40 minutes at first, a
week makes 40,000 events and a year 70,000."""
MOST_NOTICES = 1000
"""Of an attempt; what is told beyond is left out."""

_AS_TOLD: Mapping[type, EventKind] = {
    journal.EpochEnded: EventKind.EPOCH,
    journal.Evaluated: EventKind.EVALUATED,
}


class Translator:
    """Translates one attempt's records in order, holding progress back where it comes too fast."""

    def __init__(self, *, attempt: int, run_dir: Path, before: int = 0) -> None:
        """`before` is how many events the job has already."""
        self._attempt = attempt
        self._count = before
        self._notices = 0
        self._run_dir = run_dir
        self._position: dict[str, Any] = {}
        self._told = float("-inf")
        self._held: NewEvent | None = None
        self.is_started = False
        self.finished: journal.Finished | None = None
        self.failed: journal.Failed | None = None
        self.suspended: journal.Suspended | None = None
        self.resumed: journal.Resumed | None = None

    def translate(self, entries: Iterable[journal.Entry], *, now: float) -> list[NewEvent]:
        """Return the events of some records. `now`: seconds of any clock that never jumps."""
        told: list[NewEvent] = []
        for entry in entries:
            event = self._event(entry)
            if event is None:
                if isinstance(entry.record, journal.Suspended):  # says where it will go on
                    told += self.release(now=float("inf"))
                continue
            if event.kind is EventKind.PROGRESS:
                self._held = event
                if event.body["step"] == 1:
                    told += self.release(now=float("inf"))
                    self._told = now
            else:
                told.append(event)
                if event.kind is EventKind.EPOCH:
                    self._held = None  # it tells all that the progress before it did
        return told + self.release(now=now)

    def release(self, *, now: float) -> list[NewEvent]:
        """Return the progress that was held back, if its time has come."""
        if self._held is None or now < self._told + self._gap_s:
            return []
        event, self._held, self._told = self._held, None, now
        self._count += 1
        return [event]

    def due_in(self, *, now: float) -> float | None:
        """Return in how many seconds held progress may be told; None: nothing is held."""
        return max(self._told + self._gap_s - now, 0.0) if self._held else None

    @property
    def _gap_s(self) -> float:
        return PROGRESS_GAP_S * (1 << min(self._count // SLOWER_AFTER, 20))

    def _event(self, entry: journal.Entry) -> NewEvent | None:
        self._remember(entry.record)
        match entry.record:
            case journal.Resumed() as resumed:
                return self._new(entry, EventKind.NOTICE, {"message": _resumption(resumed)})
            case journal.PhaseChanged(phase=phase, epoch=epoch):
                return self._moved(entry, {"phase": phase, "epoch": epoch})
            case journal.Steps() as steps:
                return self._moved(entry, _position(steps))
            case journal.EpochEnded() | journal.Evaluated() as told:
                return self._new(entry, _AS_TOLD[type(told)], asdict(told))
            case journal.CheckpointSaved() as saved:
                body = {**asdict(saved), "path": str(self._run_dir / saved.path)}
                return self._new(entry, EventKind.CHECKPOINT, body)
            case journal.ArtifactMade(what=what, path=path):
                body = {"what": what, "path": str(self._run_dir / path)}
                return self._new(entry, EventKind.ARTIFACT, body)
            case journal.Notice(message=message):
                return self._noticed(entry, message)
        return None

    def _remember(self, record: journal.Record) -> None:
        """Keep what the end of the attempt depends on."""
        match record:
            case journal.Started():
                self.is_started = True
            case journal.Finished():
                self.finished = record
            case journal.Failed():
                self.failed = record
            case journal.Suspended():
                self.suspended = record
            case journal.Resumed():
                self.resumed = record

    def _noticed(self, entry: journal.Entry, message: str) -> NewEvent | None:
        self._notices += 1
        if self._notices > MOST_NOTICES:
            return None
        if self._notices == MOST_NOTICES:
            message = f"{message} (No more than {MOST_NOTICES} notices of an attempt are kept.)"
        return self._new(entry, EventKind.NOTICE, {"message": message})

    def _moved(self, entry: journal.Entry, change: dict[str, Any]) -> NewEvent | None:
        """Progress is told from the first step on; before it there is nothing to tell."""
        self._position.update(change)
        if "step" not in self._position:
            return None
        return self._new(entry, EventKind.PROGRESS, dict(self._position))

    def _new(self, entry: journal.Entry, kind: EventKind, body: Mapping[str, Any]) -> NewEvent:
        time = datetime.fromtimestamp(entry.time, UTC)
        return NewEvent(kind=kind, time=time, attempt=self._attempt, body=body)


def _resumption(resumed: journal.Resumed) -> str:
    told = f"Resumes from attempt {resumed.attempt} after step {resumed.step}"
    if resumed.inexact:
        return f"{told}, not exactly: {resumed.inexact}."
    return f"{told}, exactly."


def _position(steps: journal.Steps) -> dict[str, Any]:
    return {
        "epoch": steps.epoch,
        "epochs": steps.epochs,
        "step": steps.last,
        "steps": steps.steps,
        "loss": steps.mean_loss,
        "images": steps.images,
        "images_per_second": steps.images_per_second,
        "data_wait_s": steps.data_wait_s,
        "data_wait_ratio": steps.data_wait_ratio,
        "phase": "training",
    }
