"""The fake daemon for users' tests and the real one, behind one fixture."""

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ftctl import Client
from ftctl.channel import probe
from ftctl.errors import DaemonUnreachable
from ftctl.testing import FakeDaemon


@contextlib.contextmanager
def real(folder: Path) -> Iterator[Path]:
    """Run `ftd serve` over two simulated devices; yield its socket."""
    # The path of a unix socket is short by law of the kernel.
    with tempfile.TemporaryDirectory(prefix="ftd-") as short:
        socket = Path(short, "ftd.sock")
        with (folder / "daemon.log").open("wb") as log:
            daemon = subprocess.Popen(
                [
                    *(sys.executable, "-m", "ftd", "serve", "--devices", "sim:2x4GiB"),
                    *("--state", str(folder / "state"), "--socket", str(socket)),
                ],
                stdout=log, stderr=log, env={**os.environ, "OMP_NUM_THREADS": "1"},
            )  # fmt: skip
        try:
            _listens(socket, daemon)
            yield socket
            with Client(socket) as client:
                for job in client.list():
                    client.cancel(job.id)
                    client.wait(job.id, timeout_s=60)
        finally:
            daemon.terminate()
            daemon.wait(60)


def _listens(socket: Path, daemon: subprocess.Popen[bytes]) -> None:
    for _ in range(6000):
        with contextlib.suppress(DaemonUnreachable):
            probe(socket)
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            pytest.fail(f"the daemon ended with {daemon.wait(0.01)}")
    pytest.fail("the daemon did not listen within a minute")


@pytest.fixture(scope="module", params=["fake", "real"])
def socket(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """Yield the socket of a daemon: one for all tests of a module."""
    with contextlib.ExitStack() as stack:
        if request.param == "real":
            yield stack.enter_context(real(tmp_path_factory.mktemp("real")))
        else:
            yield stack.enter_context(FakeDaemon(devices=2, pace_s=0.005)).socket


@pytest.fixture
def client(socket: Path) -> Iterator[Client]:
    """Return a connected client; whatever it leaves behind is cancelled."""
    with Client(socket) as client:
        yield client
        for job in client.jobs():
            if not job.state.is_terminal:
                client.cancel(job.id)
                client.wait(job.id, timeout_s=60)
