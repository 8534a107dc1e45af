"""What both ends of the API are tested against."""

import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

import ftctl
from ftctl import testing
from ftd.jobs.supervisor import Supervisor
from fttrain.spec import rundir
from tests.fakes import supervising
from tests.fakes.calls import Call, asking
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
def fake() -> Iterator[testing.FakeDaemon]:
    """The daemon of users' tests, whose jobs get on only as a test says."""
    with testing.FakeDaemon(pace_s=None) as daemon:
        yield daemon


@pytest.fixture
def call(fake: testing.FakeDaemon, capsys: pytest.CaptureFixture[str]) -> Call:
    """`ftctl`, which asks that daemon."""
    return asking(fake.socket, capsys)


@pytest.fixture(name="ftctl")
def scripted(daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]) -> Call:
    """`ftctl`, which asks the scripted daemon."""
    return asking(daemon.socket, capsys)


@pytest.fixture
async def supervisor(tmp_path: Path) -> AsyncIterator[Supervisor]:
    """A supervisor with processes in place of an engine."""
    async with supervising.daemon(tmp_path) as running:
        yield running


@pytest.fixture
async def line(tmp_path: Path) -> AsyncIterator[Line]:
    """The real API over a socket, with the real store behind it."""
    async with listening(tmp_path) as line:
        yield line


@pytest.fixture(autouse=True)
def _end_workers(tmp_path: Path) -> Iterator[None]:
    """End the workers that a test leaves: they outlive their daemon, as they should."""
    yield
    for file in tmp_path.rglob(rundir.SHIM):
        shim = rundir.read_shim(file.parent)
        if shim is not None and shim.is_alive:
            with suppress(ProcessLookupError):  # It may just have ended by itself.
                os.kill(shim.pid, signal.SIGTERM)
