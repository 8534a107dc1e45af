"""A service manager hears when the daemon listens and when it stops."""

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

CHECKOUT = Path(__file__).resolve().parents[2]


async def test_the_daemon_is_ready_once_it_listens_and_says_when_it_stops(tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    with (
        TemporaryDirectory(prefix="ftd-") as short,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager,
    ):
        manager.bind(f"{short}/n")
        manager.setblocking(False)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.fakes.daemon", "serve",
            "--state", str(tmp_path), "--socket", f"{short}/s",
            cwd=CHECKOUT, env={**os.environ, "NOTIFY_SOCKET": f"{short}/n"},
        )  # fmt: skip

        async with asyncio.timeout(60):
            ready = await loop.sock_recv(manager, 1000)
            _, client = await asyncio.open_unix_connection(f"{short}/s")
            client.close()
            process.send_signal(signal.SIGTERM)
            stopping = await loop.sock_recv(manager, 1000)
            code = await process.wait()

    assert ready.decode() == f"READY=1\nSTATUS=listens on {short}/s"
    assert stopping.decode() == "STOPPING=1\nSTATUS=stops; running jobs go on"
    assert code == 0
