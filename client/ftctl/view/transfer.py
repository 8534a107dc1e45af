"""A line that says how far a transfer is: on a terminal alone, and gone when it is done."""

import shutil
import time
from types import TracebackType
from typing import Self, TextIO

from ftctl.view import bars, text

_EVERY_S = 0.1
_BAR = 24


class Transfer:
    """Says how many bytes of how many have been moved."""

    def __init__(self, stream: TextIO, name: str) -> None:
        self._stream = stream if stream.isatty() else None
        self._name = name
        self._told_at = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take the line away."""
        if self._stream is not None and self._told_at:
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    def at(self, moved: int, whole: int) -> None:
        """Say how far it is, at most ten times a second."""
        now = time.monotonic()
        if self._stream is None or now - self._told_at < _EVERY_S:
            return
        self._told_at = now
        share = moved / max(whole, 1)
        bar = bars.progress(share, _BAR).plain
        told = f"{bar}  {text.memory_of(moved, whole)}  {text.clean(self._name)}"
        # A line that is wrapped cannot be taken back.
        room = shutil.get_terminal_size().columns - 1
        self._stream.write(f"\r\x1b[K{told[:room]}")
        self._stream.flush()
