"""Tells a worker that has stalled from one that is slow, by what its journal says and when."""

from collections import deque
from collections.abc import Iterable
from statistics import median

from fttrain import events as journal
from fttrain.events import PhaseName

STALL_S = 60.0
"""The least silence between two steps that is too long."""
_STEPS = 10
"""So many usual steps are waited for where they take longer."""
_PATIENCE = {"setup": 30, "training": 10, "evaluating": 10, "checkpointing": 10, "exporting": 30}
"""Where no step has told how long one takes, so many times the least silence are waited for."""
_KNOWN = 101
"""Steps by which the usual one is told."""
_LOOKS_S = 5.0
"""Two looks are never further apart, unless the daemon itself stood still: that does not count."""
_DOES: dict[PhaseName, str] = {
    "setup": "while it made ready",
    "training": "while it trained",
    "evaluating": "while it evaluated",
    "checkpointing": "while it kept a checkpoint",
    "exporting": "while it exported",
}


class Silence:
    """Listens to one worker."""

    def __init__(self, *, stall_s: float = STALL_S) -> None:
        self._stall_s = stall_s
        self._seconds = 0.0
        self._looked: float | None = None
        self._phase: PhaseName = "setup"
        self._epoch = 0
        self._told: float | None = None
        self._steps: deque[float] = deque(maxlen=_KNOWN)

    def hear(self, entries: Iterable[journal.Entry]) -> None:
        """Take what the journal has told; whatever it is, it is a sign of life."""
        for entry in entries:
            self._seconds = 0.0
            match entry.record:
                case journal.Steps() as steps:
                    self._on_steps(steps, entry.time)
                case journal.PhaseChanged(phase=phase, epoch=epoch):
                    self._phase, self._epoch, self._told = phase, epoch, entry.time

    def look(self, *, now: float) -> bool:
        """Return whether it has been silent for too long. `now`: by a clock that never jumps."""
        if self._looked is not None:
            self._seconds += min(now - self._looked, _LOOKS_S)
        self._looked = now
        return self._seconds > self._limit_s

    def __str__(self) -> str:
        """Say for how long, amid what, and what was too long."""
        epoch = f" (epoch {self._epoch})" if self._epoch else ""
        sign = "step" if self._is_stepping else "sign of life"
        told = f"No {sign} for {self._seconds:.0f} s {_DOES[self._phase]}{epoch}"
        if not self._steps:
            return f"{told}; at most {self._limit_s:.0f} s are waited for."
        usual = f"a usual step takes {median(self._steps):.2g} s"
        return f"{told}; {usual}, and at most {self._limit_s:.0f} s are waited for."

    @property
    def _is_stepping(self) -> bool:
        return self._phase == "training" and bool(self._steps)

    @property
    def _limit_s(self) -> float:
        times = 1 if self._is_stepping else _PATIENCE[self._phase]
        usual = median(self._steps) if self._steps else 0.0
        return max(self._stall_s * times, _STEPS * usual)

    def _on_steps(self, steps: journal.Steps, time: float) -> None:
        count = len(steps.lrs)
        if self._told is not None and count:
            each = max(time - self._told, 0.0) / count
            self._steps.extend([each] * min(count, _KNOWN))
        self._told = time
