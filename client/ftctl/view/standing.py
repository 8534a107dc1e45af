"""Where a job stands, as its events tell it one after the other."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ftctl.models import (
    ArtifactMade,
    CheckpointSaved,
    Epoch,
    EpochEnded,
    Event,
    JobState,
    Outcome,
    Phase,
    Planned,
    Progress,
    ProgressMade,
    StateChanged,
)

# The pace of the last so many progress records, evaluation included: half a minute or more.
PACE_RECORDS = 60


@dataclass(slots=True, kw_only=True)
class Standing:
    """The sum of a job's events."""

    state: JobState = JobState.QUEUED
    reason: str = ""
    outcome: Outcome | None = None
    plan: Mapping[str, Any] | None = None
    progress: Progress | None = None
    epochs: int = 0
    best: Epoch | None = None
    files: dict[str, str] = field(default_factory=dict)
    """Paths of artifacts and checkpoints by their kind."""
    start_time: datetime | None = None
    end_time: datetime | None = None
    _pace: deque[tuple[datetime, int]] = field(default_factory=lambda: deque(maxlen=PACE_RECORDS))

    def apply(self, event: Event) -> None:
        """Take in what happened next."""
        match event:
            case StateChanged():
                self._change_state(event)
            case Planned():
                self.plan = event.plan
            case ProgressMade():
                self.progress = event.progress
                self._pace.append((event.time, event.progress.step))
            case EpochEnded():
                self.epochs = event.epoch.epoch
                self.best = event.epoch if event.epoch.best else self.best
            case CheckpointSaved():
                self.files[f"checkpoint/{event.kind}"] = event.path
            case ArtifactMade():
                self.files[event.artifact.kind] = event.artifact.path

    def _change_state(self, event: StateChanged) -> None:
        self.state, self.reason, self.outcome = event.state, event.reason, event.outcome
        if self.state is JobState.STARTING:
            self.start_time = self.start_time or event.time
            self._pace.clear()
        if self.state.is_terminal:
            self.end_time = event.time

    @property
    def seconds_left(self) -> float | None:
        """How long the remaining steps take at the pace of the last ones."""
        if self.progress is None or self.progress.phase is Phase.SETUP or len(self._pace) < 2:
            return None
        (first_time, first_step), (last_time, last_step) = self._pace[0], self._pace[-1]
        passed = (last_time - first_time).total_seconds()
        if last_step <= first_step or passed <= 0:
            return None
        return (self.progress.steps - last_step) * passed / (last_step - first_step)
