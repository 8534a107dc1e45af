"""Where output goes, and how it is coloured."""

import os
import sys
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import IO

from rich.console import Console
from rich.text import Text
from rich.theme import Theme

from ftctl.devices import DeviceState
from ftctl.models import JobState

_THEME = Theme({
    "label": "dim",
    "title": "bold",
    "accent": "cyan",
    "good": "green",
    "bad": "red",
    "warn": "yellow",
    "bar.complete": "cyan",
    "bar.finished": "green",
    "bar.back": "grey23",
})  # fmt: skip

STATE_STYLES = {
    JobState.QUEUED: "label",
    JobState.STARTING: "accent",
    JobState.RUNNING: "accent",
    JobState.PAUSED: "warn",
    JobState.CANCELLING: "warn",
    JobState.SUCCEEDED: "good",
    JobState.FAILED: "bad",
    JobState.CANCELLED: "warn",
    JobState.UNKNOWN: "label",
}

DEVICE_STYLES = {
    DeviceState.FREE: "good",
    DeviceState.BUSY: "accent",
    DeviceState.DRAINING: "warn",
    DeviceState.DRAINED: "warn",
    DeviceState.UNHEALTHY: "bad",
    DeviceState.UNKNOWN: "label",
}

# In a pipe text is laid out for a page of this width; what has no room is not cut.
PIPE_COLUMNS = 80


def out() -> Console:
    """Return the console of standard output."""
    return of(sys.stdout)


def err() -> Console:
    """Return the console of standard error."""
    return of(sys.stderr)


def of(file: IO[str]) -> Console:
    """Return a console that prints text as it is: what a job says is never markup."""
    width = None if file.isatty() else PIPE_COLUMNS
    return Console(file=file, theme=_THEME, width=width, highlight=False, markup=False, emoji=False)


def show(console: Console, lines: Iterable[Text]) -> None:
    """Print lines, each as it says itself; what is not to be cut is the terminal's to wrap."""
    for line in lines:
        # Rich joins what it prints into a new text, which knows nothing of these.
        whole = line.overflow == "ignore"
        console.print(line, no_wrap=line.no_wrap, overflow=line.overflow, crop=not whole)


def waiting(console: Console, what: str) -> AbstractContextManager[object]:
    """Turn a wheel while something takes its time; in a pipe, nothing."""
    return console.status(what, spinner_style="accent") if is_live(console.file) else nullcontext()


def is_live(file: IO[str]) -> bool:
    """Return whether a live view can be drawn there."""
    return file.isatty() and os.environ.get("TERM") not in ("dumb", "", None)
