"""Where the client looks for a daemon, and how it tells that none is there."""

import socket
from pathlib import Path

import grpc
import pytest

from ftctl import channel, status
from ftctl.errors import DaemonError, DaemonUnreachable
from ftctl.release import version
from ftd.config import default_socket as daemon_default


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"FTCTL_SOCKET": "/a", "FTD_SOCKET": "/b", "XDG_RUNTIME_DIR": "/run/u"}, "/a"),
        ({"FTD_SOCKET": "/b", "XDG_RUNTIME_DIR": "/run/u"}, "/b"),
        ({"XDG_RUNTIME_DIR": "/run/u", "XDG_STATE_HOME": "/s"}, "/run/u/finetuned/ftd.sock"),
        ({"XDG_STATE_HOME": "/s", "FTCTL_SOCKET": ""}, "/s/finetuned/ftd.sock"),
        ({}, "/home/user/.local/state/finetuned/ftd.sock"),
    ],
)
def test_the_socket_is_found_by_rule(environment, expected, monkeypatch):
    monkeypatch.setenv("HOME", "/home/user")

    assert channel.default_socket(environment) == Path(expected)


@pytest.mark.parametrize("environment", [{}, {"XDG_RUNTIME_DIR": "/r"}, {"XDG_STATE_HOME": "/s"}])
def test_client_and_daemon_have_the_same_rule(environment):
    assert channel.default_socket(environment) == daemon_default(environment)


def test_a_socket_that_accepts_is_a_daemon(tmp_path):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()

        channel.probe(tmp_path / "s")


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (TimeoutError(), "it did not accept within 5 s"),
        (NotADirectoryError(20, "Not a directory"), "not a directory"),
    ],
)
def test_every_way_of_not_answering_has_its_words(error, why, tmp_path, monkeypatch):
    def refuse(*_):
        raise error

    monkeypatch.setattr(socket.socket, "connect", refuse)

    with pytest.raises(DaemonUnreachable) as caught:
        channel.probe(tmp_path / "s")

    assert str(caught.value).startswith(f"no daemon answers at {tmp_path}/s ({why}); start one")


@pytest.mark.parametrize(
    ("code", "kind", "message"),
    [
        ("UNAVAILABLE", DaemonUnreachable, "the daemon at /s stopped answering: gone"),
        ("DEADLINE_EXCEEDED", DaemonUnreachable, "the daemon at /s did not answer in time"),
        (
            "UNIMPLEMENTED",
            DaemonError,
            f"the daemon at /s does not know this request: it is older than ftctl {version()}; "
            "install the same version on both sides, then restart `ftd serve`",
        ),
        ("INTERNAL", DaemonError, "the daemon failed: gone; its log says more"),
    ],
)
def test_a_status_without_details_is_told_by_its_code(code, kind, message):
    metadata = grpc.aio.Metadata()
    error = grpc.aio.AioRpcError(grpc.StatusCode[code], metadata, metadata, details="gone")

    told = status.from_rpc(error, address="/s")

    assert (type(told), str(told)) == (kind, message)
