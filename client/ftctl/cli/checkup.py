"""What `ftctl doctor` looks at: each check says what it found and what to do about it."""

import asyncio
import os
import stat
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from ftctl import door, release
from ftctl._async.client import AsyncClient
from ftctl.address import Server, Socket
from ftctl.daemon import Daemon
from ftctl.devices import Device, DeviceState
from ftctl.errors import FtctlError
from ftctl.view import text

MOST_CLOCK_S = 10.0
LEAST_FREE_BYTES = 5 * 2**30
LEAST_CERTIFICATE_DAYS = 14


class Verdict(StrEnum):
    """How a check went."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at."""

    name: str
    verdict: Verdict = Verdict.OK
    told: str
    remedy: str = ""
    """What to do; empty where all is well, or `told` says it."""


async def checks(client: AsyncClient) -> AsyncIterator[Check]:
    """Yield each check as it is done; what needs a daemon is left out where none answers."""
    match client.address:
        case Server() as where:
            yield (check := await asyncio.to_thread(server, where))
            if check.verdict is Verdict.FAILURE:
                return
        case Socket(path=path):
            yield socket(path)
            yield weights()
    begun = time.monotonic()
    try:
        async with client:
            daemon = await client.daemon()
            told = f"answers in {1000 * (time.monotonic() - begun):.0f} ms, to {_who(daemon)}"
            yield Check(name="daemon", told=told)
            yield versions(daemon)
            yield _clock(daemon)
            yield _disk(daemon)
            for check in _devices(await client.devices()):
                yield check
    except FtctlError as error:
        remedy = "start it with `ftd serve`, or restart it; its log says why it ended"
        yield Check(name="daemon", verdict=Verdict.FAILURE, told=str(error), remedy=remedy)


def socket(path: Path) -> Check:
    """Look whether the socket is there and ours."""
    try:
        found = path.stat()
    except OSError as error:
        return Check(
            name="socket", verdict=Verdict.FAILURE, told=f"{path}: {error.strerror}",
            remedy="start a daemon with `ftd serve`, or name its socket with --socket",
        )  # fmt: skip
    if not stat.S_ISSOCK(found.st_mode):
        return Check(
            name="socket", verdict=Verdict.FAILURE, told=f"{path} is no socket",
            remedy="name the daemon's socket with --socket or FTCTL_SOCKET",
        )  # fmt: skip
    if found.st_uid != os.getuid():
        return Check(
            name="socket", verdict=Verdict.FAILURE,
            told=f"{path} belongs to user {found.st_uid}, and you are user {os.getuid()}",
            remedy="start a daemon of your own with `ftd serve`, or become that user",
        )  # fmt: skip
    return Check(name="socket", told=f"{path} is yours")


def server(where: Server) -> Check:
    """Look whether a server is reached by TLS, and how long its certificate is good for."""
    try:
        met = door.shake(where)
    except FtctlError as error:
        return Check(name="server", verdict=Verdict.FAILURE, told=str(error))
    left = (met.expire_time - datetime.now(UTC)).days
    told = f"{where} by {met.protocol}; its certificate is good for {text.counted(left, 'day')}"
    if left >= LEAST_CERTIFICATE_DAYS:
        return Check(name="server", told=told)
    return Check(
        name="server", verdict=Verdict.WARNING, told=told,
        remedy="who runs the daemon has to renew it, and restart `ftd serve`",
    )  # fmt: skip


def weights() -> Check:
    """Look whether the folder of published weights can be read."""
    folder = _weights_folder()
    if not folder.exists():
        return Check(name="weights", told=f"none yet in {folder}; they are fetched when needed")
    if not os.access(folder, os.R_OK | os.X_OK):
        return Check(
            name="weights", verdict=Verdict.FAILURE, told=f"{folder} cannot be read",
            remedy=f"make it yours: chmod u+rwx {folder}",
        )  # fmt: skip
    return Check(name="weights", told=f"{folder} can be read")


def _weights_folder() -> Path:
    """Return where torch keeps published weights."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("TORCH_HOME") or cache / "torch").expanduser() / "hub/checkpoints"


def _who(daemon: Daemon) -> str:
    return f"{text.clean(daemon.user)}{', an admin' * daemon.is_admin}"


def versions(daemon: Daemon) -> Check:
    """Compare our version with the daemon's."""
    ours, theirs = release.version(), daemon.version
    told = f"client {ours}, daemon {text.clean(theirs)}, API {release.API}"
    if release.is_close(ours, theirs):
        return Check(name="versions", told=told)
    return Check(
        name="versions", verdict=Verdict.WARNING, told=told,
        remedy="what only one of them knows is refused; install the same version on both sides, "
        "then restart `ftd serve`",
    )  # fmt: skip


def _devices(devices: tuple[Device, ...]) -> Iterator[Check]:
    if not devices:
        yield Check(
            name="devices", verdict=Verdict.FAILURE, told="the daemon has none",
            remedy="look at --devices of `ftd serve`, and at its log",
        )  # fmt: skip
    for device in devices:
        yield _device(device)


def _device(device: Device) -> Check:
    name, told = f"device {device.id}", f"{text.clean(device.name)}, {device.state}"
    reason = f": {text.clean(device.reason)}" if device.reason else ""
    if device.state is DeviceState.UNHEALTHY:
        return Check(
            name=name, verdict=Verdict.FAILURE, told=told + reason,
            remedy="its driver has failed: `nvidia-smi` says more; then restart `ftd serve`",
        )  # fmt: skip
    if device.state in (DeviceState.DRAINING, DeviceState.DRAINED):
        return Check(
            name=name, verdict=Verdict.WARNING, told=told + reason,
            remedy=f"`ftctl devices resume {device.id}` has it take jobs again",
        )  # fmt: skip
    if device.xid_errors:
        errors = ", ".join(f"XID {xid} ({count}×)" for xid, count in device.xid_errors.items())
        return Check(
            name=name, verdict=Verdict.WARNING, told=f"{told}; its driver reported {errors}",
            remedy="the kernel's log (`dmesg`) says more; drain it where they go on",
        )  # fmt: skip
    return Check(name=name, told=told)


def _clock(daemon: Daemon) -> Check:
    """Compare our time with the daemon's."""
    apart = abs((datetime.now(UTC) - daemon.time).total_seconds())
    if apart <= MOST_CLOCK_S:
        return Check(name="clock", told=f"within {MOST_CLOCK_S:.0f} s of the daemon's")
    return Check(
        name="clock", verdict=Verdict.WARNING, told=f"{apart:.0f} s apart from the daemon's",
        remedy="let both machines keep time (`timedatectl set-ntp true`); ages are wrong meanwhile",
    )  # fmt: skip


def _disk(daemon: Daemon) -> Check:
    """Look at the disk on which jobs have their files."""
    free = daemon.disk_free_bytes
    told = f"{text.memory(free)} of {text.memory(daemon.disk_bytes)} free where jobs are kept"
    if free >= LEAST_FREE_BYTES:
        return Check(name="disk", told=told)
    return Check(
        name="disk", verdict=Verdict.WARNING, told=told,
        remedy="free some: `ftctl delete JOB` takes away what an ended job has left",
    )  # fmt: skip
