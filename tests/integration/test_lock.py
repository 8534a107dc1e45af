"""One daemon to a state directory and to a socket; what an ended one left is no obstacle."""

import contextlib
import errno
import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ftd import statedir
from ftd.errors import BadConfig, StateLocked

CHECKOUT = Path(__file__).resolve().parents[2]


def start(folder: Path, *, name: str = "a", sock: str = "s") -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.fakes.daemon", "serve", "--log-format", "json"]
    paths = ["--state", str(folder / name), "--socket", str(folder / sock)]
    return subprocess.Popen([*command, *paths], cwd=CHECKOUT, stderr=subprocess.PIPE, text=True)


@contextlib.contextmanager
def running(folder: Path, **names: str) -> Iterator[subprocess.Popen[str]]:
    """Run a daemon that has begun to listen."""
    with start(folder, **names) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        assert json.loads(line)["event"] == "daemon_started", line
        try:
            yield process
        finally:
            process.terminate()
            process.stderr.read()


def refused(folder: Path, **names: str) -> str:
    """Return the words with which a daemon refuses to start."""
    process = start(folder, **names)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 2
    return told


def test_a_second_daemon_on_a_state_directory_is_told_who_holds_it(tmp_path: Path) -> None:
    with running(tmp_path) as first:
        told = refused(tmp_path, sock="other")

        assert re.fullmatch(
            re.escape(f"ftd: the state directory {tmp_path}/a is held by ftd with pid {first.pid}")
            + r" \(since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\+00:00\); "
            r"stop it, or give this one another with --state\n",
            told,
        )
        assert first.poll() is None
        assert not (tmp_path / "other").exists()


def test_a_socket_that_another_daemon_listens_on_is_left_to_it(tmp_path: Path) -> None:
    with running(tmp_path) as first:
        told = refused(tmp_path, name="b")

        assert told == (
            f"ftd: another daemon listens on {tmp_path}/s; stop it, or give this one another path "
            "with --socket\n"
        )
        assert first.poll() is None


def test_what_a_killed_daemon_left_is_taken_over(tmp_path: Path) -> None:
    with running(tmp_path) as first:
        first.send_signal(signal.SIGKILL)
        first.wait()
    assert (tmp_path / "s").is_socket()

    with running(tmp_path) as second:
        assert json.loads((tmp_path / "a" / "lock").read_text())["pid"] == second.pid


def test_a_daemon_that_stopped_leaves_no_socket_and_no_claim(tmp_path: Path) -> None:
    with running(tmp_path):
        assert stat.S_IMODE((tmp_path / "s").lstat().st_mode) == 0o600
        assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o700

    assert not (tmp_path / "s").exists()
    assert (tmp_path / "a" / "lock").read_text() == ""


def test_a_claim_that_is_not_signed_yet_is_respected(tmp_path: Path) -> None:
    with statedir.held(tmp_path):
        (tmp_path / "lock").write_text("")
        with pytest.raises(StateLocked, match="is held by another ftd; stop it, or"):
            statedir.held(tmp_path).__enter__()


def test_a_state_directory_that_everybody_may_write_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)

    with pytest.raises(BadConfig) as bad:
        statedir.held(tmp_path).__enter__()

    assert str(bad.value) == (
        f"the state directory {tmp_path} can be written by everybody; run `chmod 700 {tmp_path}`"
    )


def test_a_file_in_the_place_of_the_state_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(BadConfig) as bad:
        statedir.held(tmp_path / "file").__enter__()

    assert str(bad.value) == (
        f"the state directory {tmp_path}/file cannot be used: File exists; give another one "
        "with --state"
    )


def test_a_file_in_the_place_of_the_socket_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("mine")

    with pytest.raises(BadConfig) as bad:
        statedir.clear_socket(tmp_path / "s")

    assert str(bad.value) == (
        f"{tmp_path}/s is there and is no socket; give another path with --socket"
    )
    assert (tmp_path / "s").read_text() == "mine"


def test_a_socket_that_nobody_listens_on_is_removed(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(os.fspath(tmp_path / "s"))

    statedir.clear_socket(tmp_path / "s")

    assert not (tmp_path / "s").exists()


def test_the_folder_of_the_socket_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    statedir.clear_socket(tmp_path / "finetuned" / "s")

    assert stat.S_IMODE((tmp_path / "finetuned").stat().st_mode) == 0o700


def test_a_socket_beneath_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(BadConfig, match=r"no socket can be at .*/file/s: File exists; give"):
        statedir.clear_socket(tmp_path / "file" / "s")


def test_a_socket_whose_owner_does_not_answer_is_left_to_it(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as busy, contextlib.ExitStack() as callers:
        busy.bind(os.fspath(tmp_path / "s"))
        busy.listen(0)
        for _ in range(2):  # more than its queue holds
            caller = callers.enter_context(socket.socket(socket.AF_UNIX))
            caller.setblocking(False)
            caller.connect_ex(os.fspath(tmp_path / "s"))

        with pytest.raises(BadConfig, match=r"another daemon listens on .*/s; stop it, or"):
            statedir.clear_socket(tmp_path / "s")


def test_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_file: int, _data: bytes) -> int:
        raise OSError(errno.ENOSPC, "")

    monkeypatch.setattr(os, "write", refuse)

    with pytest.raises(BadConfig) as bad:
        statedir.held(tmp_path).__enter__()

    assert str(bad.value) == (
        f"the state directory {tmp_path} cannot be used: No space left on device; "
        "give another one with --state"
    )


def test_what_the_daemon_writes_is_for_its_owner_alone(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir(mode=0o755)

    with running(tmp_path):
        modes = {path.name: path.stat().st_mode & 0o077 for path in (tmp_path / "a").iterdir()}

    assert set(modes) >= {"lock", "ftd.sqlite"}
    assert set(modes.values()) == {0}
