"""Serves `GET /metrics` over HTTP on the loopback.

The text is written by prometheus_client's WSGI application (format by Accept, gzip, `name[]`),
called in a thread with a snapshot that was taken in the event loop in one go: what is told
belongs to one moment, and no call of the API waits while it is put into words. The HTTP around it
is a request line and headers read by asyncio: the servers of the standard library start a thread
for whoever connects and look up names in the DNS before they listen.
"""

import asyncio
import contextlib
import email.parser
import errno
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from prometheus_client import CollectorRegistry, make_wsgi_app

from ftd.errors import BadConfig
from ftd.metrics.collector import SnapshotCollector
from ftd.metrics.snapshot import Snapshot

HINT = b"ftd tells Prometheus of itself at /metrics\n"
REQUEST_S = 10.0
"""A request must be there, and an answer be taken, within this time."""
CONNECTIONS = 32
"""Open at once; more are closed unanswered."""
SCRAPES = 2
"""Answers that are worked out at once; others wait."""
_MOST_BYTES = 16384
"""Of a request's head."""
Take = Callable[[], Snapshot]


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where the endpoint listens."""

    host: str
    port: int
    """0: any that is free."""

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    method: str
    path: str
    query: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reply:
    status: str
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "text/plain; charset=utf-8"),)

    def encode(self) -> bytes:
        fields = (*self.headers, ("Content-Length", str(len(self.body))), ("Connection", "close"))
        head = "".join(f"{name}: {value}\r\n" for name, value in fields)
        return f"HTTP/1.1 {self.status}\r\n{head}\r\n".encode("latin-1") + self.body


class _BadRequest(Exception):
    """What came is no HTTP."""


def address(text: str) -> Address:
    """Read `127.0.0.1:9400` or `[::1]:9400`, which the configuration has found to be one."""
    host, _, port = text.rpartition(":")
    return Address(host=host.removeprefix("[").removesuffix("]"), port=int(port))


@contextlib.asynccontextmanager
async def serving(where: Address, take: Take) -> AsyncIterator[Address]:
    """Serve what `take` returns inside the block; yield the address with the real port.

    Raises:
        BadConfig: where it cannot listen there.
    """
    turns = asyncio.Semaphore(SCRAPES)
    guests: set[asyncio.Task[None] | None] = set()

    async def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        try:
            if len(guests) < CONNECTIONS:
                guests.add(task)
                await _serve(reader, writer, take, turns)
        finally:
            guests.discard(task)
            writer.close()

    try:
        server = await asyncio.start_server(
            on_connection, where.host, where.port, limit=_MOST_BYTES
        )
    except OSError as error:
        raise BadConfig(f"--metrics: cannot listen on {where}: {_why(error)}") from None
    try:
        yield Address(host=where.host, port=server.sockets[0].getsockname()[1])
    finally:
        server.close()
        open_ones = [guest for guest in guests if guest is not None]
        for guest in open_ones:
            guest.cancel()
        await asyncio.gather(*open_ones, return_exceptions=True)
        await server.wait_closed()


async def _serve(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    take: Take,
    turns: asyncio.Semaphore,
) -> None:
    # A client that goes away or is slow is no matter of ours.
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(REQUEST_S):
            reply = await _reply(reader, take, turns)
            writer.write(reply.encode())
            await writer.drain()


async def _reply(reader: asyncio.StreamReader, take: Take, turns: asyncio.Semaphore) -> _Reply:
    try:
        request = await _request(reader)
    except _BadRequest:
        return _Reply(status="400 Bad Request", body=b"this is no request of HTTP/1\n")
    if request.path == "/" and request.method == "GET":
        return _Reply(status="200 OK", body=HINT)
    if request.path != "/metrics":
        return _Reply(status="404 Not Found", body=HINT)
    async with turns:
        return await asyncio.to_thread(_written, take(), request)


async def _request(reader: asyncio.StreamReader) -> _Request:
    try:
        data = await reader.readuntil(b"\r\n\r\n")
        line, _, rest = data.decode("latin-1").partition("\r\n")
        method, target, protocol = line.split(" ")
        url = urlsplit(target)
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
        raise _BadRequest from None
    if not protocol.startswith("HTTP/1."):
        raise _BadRequest
    headers = email.parser.HeaderParser().parsestr(rest)
    return _Request(
        method=method,
        path=url.path,
        query=url.query,
        headers={name.lower(): value for name, value in headers.items()},
    )


def _written(snapshot: Snapshot, request: _Request) -> _Reply:
    """Have prometheus_client answer a request out of a snapshot."""
    registry = CollectorRegistry(support_collectors_without_names=True)
    registry.register(SnapshotCollector(snapshot))
    told: dict[str, Any] = {}

    def start_response(status: str, headers: Iterable[tuple[str, str]], *_: Any) -> None:
        told.update(status=status, headers=tuple(headers))

    environ = {
        "REQUEST_METHOD": request.method,
        "PATH_INFO": request.path,
        "QUERY_STRING": request.query,
        "HTTP_ACCEPT": request.headers.get("accept", ""),
        "HTTP_ACCEPT_ENCODING": request.headers.get("accept-encoding", ""),
    }
    body = b"".join(make_wsgi_app(registry)(environ, start_response))
    return _Reply(status=told["status"], headers=told["headers"], body=body)


def _why(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "another process listens there; give another port"
    return error.strerror or str(error)
