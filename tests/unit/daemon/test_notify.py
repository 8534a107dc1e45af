"""What the service manager is told, over a socket of its kind."""

import socket
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import pytest

from ftd import notify


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest) -> Iterator[tuple[str, socket.socket]]:
    """Return NOTIFY_SOCKET and what listens there."""
    with TemporaryDirectory(prefix="ftd-") as short:
        name = f"{short}/n" if request.param == "path" else f"@ftd-{uuid4()}"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as own:
            own.bind(name.replace("@", "\0", 1))
            own.settimeout(30)
            yield name, own


def test_the_words_arrive_as_lines_of_one_message(manager: tuple[str, socket.socket]) -> None:
    name, own = manager

    assert notify.tell({"NOTIFY_SOCKET": name}, "READY=1", "STATUS=listens")

    assert own.recv(1000) == b"READY=1\nSTATUS=listens"


@pytest.mark.parametrize("environment", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:3"}])
def test_without_a_manager_nothing_happens(environment: dict[str, str]) -> None:
    assert not notify.tell(environment, "READY=1")


def test_a_manager_that_is_gone_stops_nobody(tmp_path: Path) -> None:
    assert not notify.tell({"NOTIFY_SOCKET": str(tmp_path / "gone")}, "READY=1")


def test_a_manager_that_does_not_read_stops_nobody(manager: tuple[str, socket.socket]) -> None:
    name, own = manager
    environment = {"NOTIFY_SOCKET": name}

    while notify.tell(environment, f"STATUS={'x' * 1000}"):
        pass

    assert own.recv(10).startswith(b"STATUS=")
