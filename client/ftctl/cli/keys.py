"""Single keys, read as they are pressed."""

import asyncio
import os
import termios
import tty
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import IO, Any

READ_BYTES = 64


class Keys(AbstractContextManager["Keys"]):
    """Calls what belongs to a key while it is open; gives the terminal back as it was.

    Without a terminal there are no keys. Ctrl-C stays a signal.
    """

    def __init__(self, file: IO[str] | None, actions: Mapping[str, Callable[[], object]]) -> None:
        # A process may be started without standard input.
        self._descriptor = file.fileno() if file and file.isatty() else None
        self._actions = actions
        self._before: list[Any] = []

    def __enter__(self) -> "Keys":
        """Read single keys from here on."""
        if self._descriptor is not None:
            self._before = termios.tcgetattr(self._descriptor)
            tty.setcbreak(self._descriptor)
            asyncio.get_running_loop().add_reader(self._descriptor, self._read, self._descriptor)
        return self

    def __exit__(self, *_: object) -> None:
        """Read lines again."""
        if self._descriptor is not None:
            asyncio.get_running_loop().remove_reader(self._descriptor)
            termios.tcsetattr(self._descriptor, termios.TCSADRAIN, self._before)

    def _read(self, descriptor: int) -> None:
        pressed = os.read(descriptor, READ_BYTES).decode(errors="replace")
        if not pressed:
            # The terminal is gone: it would be readable for ever.
            asyncio.get_running_loop().remove_reader(descriptor)
        for key in pressed:
            self._actions.get(key, _nothing)()


def _nothing() -> None:
    """Answer a key that means nothing."""
