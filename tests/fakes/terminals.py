"""The command as a process, and terminals for it to draw on."""

import asyncio
import fcntl
import os
import pty
import struct
import sys
import termios


async def start(daemon, *words, **streams):
    """Start the command against a daemon."""
    pipes = {"stdout": asyncio.subprocess.PIPE, "stderr": asyncio.subprocess.PIPE, **streams}
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ftctl", *words,
        env={**os.environ, "FTCTL_SOCKET": str(daemon.socket), "TERM": "xterm-256color"},
        **pipes,
    )  # fmt: skip


async def screen(descriptor, *, until="never drawn"):
    """Return all that a terminal was sent, once its last writer is gone or drew something."""
    loop = asyncio.get_running_loop()

    def read():
        pieces = []
        while True:
            try:
                piece = os.read(descriptor, 65536)
            except OSError:  # Linux says so that the other end is closed.
                piece = b""
            pieces.append(piece)
            text = b"".join(pieces).decode(errors="replace")
            if not piece or until in text:
                return text

    return await loop.run_in_executor(None, read)


def terminal(columns):
    """Return both ends of a terminal: ours, and that of whoever draws."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    return ours, theirs
