"""`ftctl doctor`: what it looks at, what it says of it, and its exit code."""

import json
import os
import socket

import pytest

from finetuned.v1 import device_pb2
from ftctl import release
from ftctl.cli import dispatch, parser


@pytest.fixture
def doctor(daemon, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))

    async def run(*words, at=None):
        given = ["--socket", str(at or daemon.socket), "doctor", *words]
        code = await dispatch.call(parser(given).parse_args(given))
        printed = capsys.readouterr()
        assert printed.err == ""
        return code, printed.out

    return run


def device(daemon, **figures):
    figures = {"state": device_pb2.DEVICE_STATE_FREE, **figures}
    shown = device_pb2.Device(id="gpu0", name="H200", **figures)
    daemon.devices.all = [shown]


async def test_each_check_has_a_line(daemon, doctor, tmp_path):
    device(daemon)

    code, out = await doctor()

    lines = out.splitlines()
    assert code == 0
    assert lines[0] == f"ok       socket: {daemon.socket} is yours"
    assert lines[1] == (
        f"ok       weights: none yet in {tmp_path}/torch/hub/checkpoints; "
        "they are fetched when needed"
    )
    assert lines[2].startswith("ok       daemon: answers in ")
    assert lines[2].endswith(" ms, to me, an admin")
    assert "ok       device gpu0: H200, free" in lines
    assert "ok       clock: within 10 s of the daemon's" in lines


async def test_a_daemon_of_another_minor_version_is_a_warning(daemon, doctor):
    ours = release.version().split(".")
    daemon.own.daemon.version = ".".join([ours[0], str(int(ours[1]) + 1), "0"])
    device(daemon)

    code, out = await doctor()

    assert code == 0
    assert (
        f"warning  versions: client {release.version()}, daemon {daemon.own.daemon.version}, API "
        "finetuned.v1\n         what only one of them knows is refused; install the same version "
        "on both sides, then restart `ftd serve`\n"
    ) in out


@pytest.mark.parametrize("ahead_s", [90, -90])
async def test_clocks_that_are_apart_are_a_warning(daemon, doctor, ahead_s):
    daemon.own.clock_ahead_s = ahead_s

    _, out = await doctor()

    assert (
        "warning  clock: 90 s apart from the daemon's\n"
        "         let both machines keep time (`timedatectl set-ntp true`); "
        "ages are wrong meanwhile\n"
    ) in out


@pytest.mark.parametrize(
    ("figures", "code", "told"),
    [
        ({"state": device_pb2.DEVICE_STATE_UNHEALTHY, "reason": "XID 79"}, 1,
         "failure  device gpu0: H200, unhealthy: XID 79\n"
         "         its driver has failed: `nvidia-smi` says more; then restart `ftd serve`\n"),
        ({"state": device_pb2.DEVICE_STATE_DRAINED, "reason": "new fan"}, 0,
         "warning  device gpu0: H200, drained: new fan\n"
         "         `ftctl devices resume gpu0` has it take jobs again\n"),
        ({"xid_errors": {31: 2}}, 0,
         "warning  device gpu0: H200, free; its driver reported XID 31 (2×)\n"
         "         the kernel's log (`dmesg`) says more; drain it where they go on\n"),
    ],
)  # fmt: skip
async def test_what_is_wrong_has_a_remedy(daemon, doctor, figures, code, told):
    device(daemon, **figures)

    ended, out = await doctor()

    assert ended == code
    assert told in out


async def test_no_devices_is_a_failure(doctor):
    code, out = await doctor()

    assert code == 1
    assert (
        "failure  devices: the daemon has none\n"
        "         look at --devices of `ftd serve`, and at its log\n"
    ) in out


async def test_without_a_daemon_the_rest_is_left_out(daemon, doctor, tmp_path):
    missing = tmp_path / "none.sock"

    code, out = await doctor("-o", "json", at=missing)

    checks = json.loads(out)
    assert code == 1
    assert [(check["name"], check["verdict"]) for check in checks] == [
        ("socket", "failure"), ("weights", "ok"), ("daemon", "failure"),
    ]  # fmt: skip
    assert checks[0]["told"] == f"{missing}: No such file or directory"
    assert checks[0]["remedy"] == (
        "start a daemon with `ftd serve`, or name its socket with --socket"
    )


async def test_a_stale_socket_and_a_plain_file_are_told(doctor, tmp_path):
    with socket.socket(socket.AF_UNIX) as gone:
        gone.bind(str(tmp_path / "stale.sock"))
    (tmp_path / "file.sock").write_text("")

    code, out = await doctor(at=tmp_path / "stale.sock")
    assert code == 1
    assert f"no daemon answers at {tmp_path / 'stale.sock'} (the daemon that made it has" in out

    code, out = await doctor(at=tmp_path / "file.sock")
    assert code == 1
    assert f"failure  socket: {tmp_path / 'file.sock'} is no socket\n" in out


async def test_a_socket_of_another_user_is_told(daemon, doctor, monkeypatch):
    uid = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: uid + 1)
    device(daemon)

    code, out = await doctor()

    assert code == 1
    assert f" belongs to user {uid}, and you are user {uid + 1}\n" in out


async def test_a_disk_that_is_nearly_full_is_a_warning(daemon, doctor):
    daemon.own.daemon.disk_free_bytes = 3 * 2**30

    _, out = await doctor()

    assert (
        "warning  disk: 3 GiB of 2 TiB free where jobs are kept\n"
        "         free some: `ftctl delete JOB` takes away what an ended job has left\n"
    ) in out
