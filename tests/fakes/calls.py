"""Calls of `ftctl` within a test's own process."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from ftctl.cli import dispatch, parser

Call = Callable[..., Awaitable[tuple[int, str, str]]]
"""Takes the words of a command; returns its exit code and what it printed, out and err."""


def asking(socket: Path, capsys: pytest.CaptureFixture[str]) -> Call:
    """Return `ftctl`, which asks the daemon at a socket."""

    async def run(*words: str) -> tuple[int, str, str]:
        given = ["--socket", str(socket), *words]
        code = await dispatch.call(parser(given).parse_args(given))
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run
