"""Events as JSON Lines: one object each, for programs."""

from contextlib import AbstractContextManager
from typing import TextIO

from ftctl.models import Event
from ftctl.view import jsontext
from ftctl.view.gap import GapLines


class EventLines(AbstractContextManager["EventLines"]):
    """Writes each event as it comes; what keeps events from coming is told on `err`."""

    def __init__(self, *, out: TextIO, err: TextIO) -> None:
        self._out = out
        self.show_gap = GapLines(err)

    def __exit__(self, *_: object) -> None:
        """Leave the last line as it is."""

    def __call__(self, event: Event) -> None:
        self._out.write(jsontext.event(event) + "\n")
        self._out.flush()
