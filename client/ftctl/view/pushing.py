"""A push as it goes: a bar on a terminal, a line for each step elsewhere."""

import time
from contextlib import AbstractContextManager
from typing import Protocol, Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from ftctl.datasets import PushPhase, PushProgress
from ftctl.view import bars, gap, text
from ftctl.view.console import is_live

FRAMES_PER_SECOND = 6
MOST_BAR, LEAST_BAR = 40, 8
# Before, a rate says nothing of the time that is left.
RATE_AFTER_S = 1.0
_GOES_ON = "what has arrived stays"


class PushView(Protocol):
    """Shows how far a push is."""

    last: PushProgress

    def __call__(self, progress: PushProgress) -> None:
        """Show it."""

    def __enter__(self) -> Self:
        """Begin."""

    def __exit__(self, *_: object) -> None:
        """End."""


def view(name: str, console: Console) -> "PushView":
    """Return what suits a console."""
    return _Bar(name, console) if is_live(console.file) else _Lines(name, console)


class _Lines(AbstractContextManager["_Lines"]):
    """Writes a line where something else begins."""

    def __init__(self, name: str, console: Console) -> None:
        self.last = PushProgress(phase=PushPhase.LISTING)
        self._name = name
        self._console = console
        self._told: PushPhase | None = None

    def __exit__(self, *_: object) -> None:
        pass

    def __call__(self, progress: PushProgress) -> None:
        """Take in how far it is."""
        self.last = progress
        line = self._line(progress)
        if progress.phase is not self._told and line:
            self._told = progress.phase
            self._console.print(line, soft_wrap=True)

    def _line(self, progress: PushProgress) -> str:
        match progress.phase:
            case PushPhase.DIGESTING:
                size = text.size(progress.size_bytes)
                return f"reading {text.counted(progress.files, 'file')}, {size}"
            case PushPhase.SENDING if self._told is PushPhase.INTERRUPTED:
                return "ftctl: the daemon is back"
            case PushPhase.SENDING if progress.missing_files:
                size = text.size(progress.size_bytes - progress.done_bytes)
                return f"sending {text.counted(progress.missing_files, 'file')}, {size}"
            case PushPhase.INTERRUPTED if gap.told(progress.away_seconds):
                return f"ftctl: the daemon is away, trying again; {_GOES_ON}"
        return ""


class _Bar(AbstractContextManager["_Bar"]):
    """Draws a bar that goes away in the end."""

    def __init__(self, name: str, console: Console) -> None:
        self.last = PushProgress(phase=PushPhase.LISTING)
        self._name = name
        self._console = console
        self._begun: tuple[PushPhase, float, int] | None = None
        self._live = Live(
            get_renderable=self._line,
            console=console,
            refresh_per_second=FRAMES_PER_SECOND,
            transient=True,
        )

    def __enter__(self) -> "_Bar":
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def __call__(self, progress: PushProgress) -> None:
        """Take in how far it is."""
        phase = progress.phase
        if phase is not PushPhase.INTERRUPTED and (not self._begun or self._begun[0] is not phase):
            self._begun = (phase, time.monotonic(), progress.done_bytes)
        self.last = progress

    def _line(self) -> Text:
        last = self.last
        told = gap.told(last.away_seconds, goes_on=_GOES_ON)
        if told:
            return Text(f" {told}", "warn", no_wrap=True, overflow="ellipsis")
        if last.phase is PushPhase.LISTING:
            return Text(f" {self._name}  looking which files there are")
        doing = "reading" if last.phase is PushPhase.DIGESTING else "sending"
        figures = f"{text.size(last.done_bytes)} of {text.size(last.size_bytes)}{self._rest()}"
        head = f" {self._name}  {doing}  "
        room = self._console.width - len(head) - len(figures) - 3
        line = Text(head, no_wrap=True, overflow="ellipsis")
        if room >= LEAST_BAR:
            share = last.done_bytes / max(last.size_bytes, 1)
            line.append_text(bars.progress(share, min(room, MOST_BAR))).append("  ")
        return line.append(figures)

    def _rest(self) -> str:
        """Say how quick it is, and how long it takes still."""
        if self._begun is None:
            return ""
        _, since, before = self._begun
        seconds, done = time.monotonic() - since, self.last.done_bytes - before
        if seconds < RATE_AFTER_S or not done:
            return ""
        left = (self.last.size_bytes - self.last.done_bytes) * seconds / done
        return f"  {text.size(round(done / seconds))}/s  {text.left(left)} left"
