"""A daemon that is away, in words."""

from typing import TextIO

# Shorter gaps, as where a slow reader is cut, are nobody's concern.
TOLD_AFTER_S = 1.0


def told(seconds: float | None, *, goes_on: str = "the job goes on") -> str:
    """Say how long the daemon has been away; empty where that is not worth a word."""
    if seconds is None or seconds < TOLD_AFTER_S:
        return ""
    return f"the daemon has been away for {seconds:.0f} s, trying again; {goes_on}"


class GapLines:
    """Writes a line once the daemon has been away for a moment, and one when it is back."""

    def __init__(self, err: TextIO) -> None:
        self._err = err
        self._is_told = False

    def __call__(self, seconds: float | None) -> None:
        """Take in for how many seconds the daemon has been away; None: it is back."""
        if seconds is None and self._is_told:
            self._say("the daemon is back")
            self._is_told = False
        elif told(seconds) and not self._is_told:
            self._say("the daemon is away, trying again; the job goes on")
            self._is_told = True

    def _say(self, what: str) -> None:
        self._err.write(f"ftctl: {what}\n")
        self._err.flush()
