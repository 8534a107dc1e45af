"""What both ends of the API are tested against."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import ftctl
from tests.fakes.listening import Line, listening
from tests.fakes.scripted_daemon import FakeDaemon


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[FakeDaemon]:
    """A scripted daemon for clients."""
    async with FakeDaemon(tmp_path / "ftd.sock") as fake:
        yield fake


@pytest.fixture
async def client(daemon: FakeDaemon) -> AsyncIterator[ftctl.AsyncClient]:
    """A client of the scripted daemon."""
    async with ftctl.AsyncClient(daemon.socket, patience_s=10) as connected:
        yield connected


@pytest.fixture
async def line(tmp_path: Path) -> AsyncIterator[Line]:
    """The real API over a socket, with the real store behind it."""
    async with listening(tmp_path) as line:
        yield line
