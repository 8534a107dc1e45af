"""A message of 1 GiB through the door, by a client that heeds no window: nobody else waits."""

import asyncio
import resource
import socket
import ssl
import struct
import time
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path

import pytest

import ftctl
from tests.fakes import doors
from tests.fakes.doors import Door
from tests.fakes.listening import Line

MESSAGE_BYTES = 2**30
FRAME_BYTES = 2**14
DATA, HEADERS, SETTINGS = 0, 1, 4
END_HEADERS = 4
MOST_KEPT_BYTES = 64 * 2**20
"""Of the message in memory at once: buffers of sockets, TLS and HTTP/2."""
MOST_SENT_BYTES = MESSAGE_BYTES // 4
"""Until the daemon, which has other things to do, too, has cut it off."""
MOST_S = 5.0


def frame(kind: int, body: bytes, *, flags: int = 0, stream: int = 0) -> bytes:
    return struct.pack("!I", len(body))[1:] + struct.pack("!BBI", kind, flags, stream) + body


def headers(token: str) -> bytes:
    """Return the headers of a GetJob, each spelled out: HPACK without its table."""
    told = {
        ":method": "POST",
        ":scheme": "https",
        ":path": "/finetuned.v1.JobService/GetJob",
        ":authority": "localhost",
        "content-type": "application/grpc",
        "te": "trailers",
        "authorization": f"Bearer {token}",
    }
    words = ((name.encode(), value.encode()) for name, value in told.items())
    return b"".join(
        b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value for name, value in words
    )


def frames(token: str) -> Iterator[bytes]:
    """Yield a call whose one message has 1 GiB."""
    yield b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, b"")
    yield frame(HEADERS, headers(token), flags=END_HEADERS, stream=1)
    yield frame(DATA, struct.pack("!BI", 0, MESSAGE_BYTES), stream=1)
    yield from repeat(frame(DATA, bytes(FRAME_BYTES), stream=1), MESSAGE_BYTES // FRAME_BYTES)


def pour(door: Door, token: str) -> tuple[int, float]:
    """Send it until it is all sent or the daemon has enough; return the bytes and the seconds."""
    context = ssl.create_default_context(cafile=door.ca)
    context.set_alpn_protocols(["h2"])
    host, port = door.server.split(":")
    sent, begun = 0, time.monotonic()
    with socket.create_connection((host, int(port)), 10) as plain:
        line = context.wrap_socket(plain, server_hostname=host)
        try:
            for piece in frames(token):
                line.sendall(piece)
                sent += len(piece)
        except OSError:
            pass  # it was cut, which is what is measured
        finally:
            line.close()
    return sent, time.monotonic() - begun


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return doors.certificate(tmp_path_factory.mktemp("tls"))


@pytest.mark.parametrize("who", ["alice", "stranger"])
async def test_a_message_of_1_gib_is_cut_and_stops_nobody(
    line: Line, pair: tuple[Path, Path], who: str
) -> None:
    async with doors.opened(line, pair) as door, ftctl.AsyncClient(**door.arguments("bob")) as bob:
        await bob.jobs()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        pouring = asyncio.create_task(asyncio.to_thread(pour, door, door.tokens[who]))

        longest = 0.0
        while not pouring.done():
            begun = time.monotonic()
            await bob.jobs()
            longest = max(longest, time.monotonic() - begun)
        sent, seconds = await pouring

        grown = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
        assert sent < MOST_SENT_BYTES
        assert grown < MOST_KEPT_BYTES
        assert max(longest, seconds) < MOST_S
        assert len(await bob.devices()) == 2
