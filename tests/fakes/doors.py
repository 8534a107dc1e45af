"""Certificates, and the real door of the API with tokens for several users."""

import asyncio
import contextlib
import os
import ssl
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ftd import tls
from ftd.jobs.store.tokens import Role
from tests.fakes.jobs import NOW
from tests.fakes.listening import Line

_OURS = ("FTCTL_SOCKET", "FTCTL_SERVER", "FTCTL_TOKEN", "FTCTL_CA", "FTCTL_CONTEXT", "FTD_SOCKET")
_AUTHORITY = """\
[ca]
default_ca = ours
[ours]
database = {folder}/index
new_certs_dir = {folder}
rand_serial = yes
default_md = sha256
policy = any
x509_extensions = names
[any]
commonName = supplied
[names]
subjectAltName = DNS:{name}
basicConstraints = CA:TRUE
"""


def certificate(
    folder: Path, *, name: str = "localhost", days: tuple[str, str] | None = None
) -> tuple[Path, Path]:
    """Return a certificate that signed itself, and its key.

    Args:
        folder: Where the files go.
        name: Whose it is.
        days: From when to when, as 20200101; else for three days from now.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pair = folder / "cert.pem", folder / "key.pem"
    key: list[str | Path] = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    key += ["-nodes", "-keyout", pair[1]]
    if days is None:
        _openssl("req", "-x509", *key, "-out", pair[0], "-days", "3", "-subj", f"/CN={name}",
                 "-addext", f"subjectAltName=DNS:{name}")  # fmt: skip
        return pair
    request, config = folder / "request.pem", folder / "ca.cnf"
    _openssl("req", "-new", *key, "-out", request, "-subj", f"/CN={name}")
    config.write_text(_AUTHORITY.format(folder=folder, name=name))
    (folder / "index").touch()
    first, last = (f"{day}000000Z" for day in days)
    _openssl("ca", "-batch", "-selfsign", "-config", config, "-keyfile", pair[1], "-in", request,
             "-out", pair[0], "-notext", "-startdate", first, "-enddate", last)  # fmt: skip
    return pair


def _openssl(*words: str | Path) -> None:
    subprocess.run(["openssl", *words], check=True, capture_output=True)


@dataclass(frozen=True, kw_only=True)
class Door:
    """An open door of a line: where it is, what it is known by, and tokens by their users."""

    line: Line
    server: str
    ca: Path
    tokens: dict[str, str] = field(repr=False)

    def arguments(self, who: str = "alice") -> dict[str, Any]:
        """Return what a client is told."""
        return {"server": self.server, "ca": self.ca, "token": self.tokens[who]}

    def environment(self, who: str = "alice") -> dict[str, str]:
        """Return what the command is told."""
        told = {"FTCTL_SERVER": self.server, "FTCTL_CA": str(self.ca)}
        return {**bare(), **told, "FTCTL_TOKEN": self.tokens[who]}


@contextlib.asynccontextmanager
async def opened(line: Line, pair: tuple[Path, Path]) -> AsyncIterator[Door]:
    """Have a line listen to other machines inside the block."""
    make = line.office.store.tokens.create
    tokens = {
        "alice": await make("laptop", user="alice", role=Role.USER, now=NOW),
        "bob": await make("bob", user="bob", role=Role.USER, now=NOW),
        "root": await make("root", user="root", role=Role.ADMIN, now=NOW),
        "stranger": "ftd_" + "x" * 43,
    }
    port = await line.listener.open_door("localhost:0", await asyncio.to_thread(tls.read, *pair))
    yield Door(line=line, server=f"localhost:{port}", ca=pair[0], tokens=tokens)


@contextlib.contextmanager
def fronting(path: Path, pair: tuple[Path, Path]) -> Iterator[int]:
    """Speak TLS for a daemon that has only a socket, from a thread; yield the port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair)
    context.set_alpn_protocols(["h2"])
    opened: Future[tuple[int, Callable[[], object]]] = Future()

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        near_reader, near_writer = await asyncio.open_unix_connection(path)
        await asyncio.gather(_copy(reader, near_writer), _copy(near_reader, writer))

    async def serve() -> None:
        ended, loop = asyncio.Event(), asyncio.get_running_loop()
        server = await asyncio.start_server(pass_on, "localhost", 0, ssl=context)
        async with server:
            end = partial(loop.call_soon_threadsafe, ended.set)
            opened.set_result((server.sockets[0].getsockname()[1], end))
            await ended.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="fronting")
    thread.start()
    port, end = opened.result(10)
    try:
        yield port
    finally:
        end()
        thread.join()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.closing(writer), contextlib.suppress(ConnectionError, ssl.SSLError):
        while data := await reader.read(2**16):
            writer.write(data)
            await writer.drain()


def bare() -> dict[str, str]:
    """Return the environment without what says where a daemon is."""
    kept = {name: value for name, value in os.environ.items() if name not in _OURS}
    return {**kept, "TERM": "xterm-256color", "XDG_CONFIG_HOME": "/nowhere"}


async def ftctl(
    *words: str, environment: dict[str, str], given: bytes = b""
) -> tuple[int, str, str]:
    """Run the command to its end; return its exit code, output and errors."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ftctl", *words, env=environment,
        stdin=pipe, stdout=pipe, stderr=pipe,
    )  # fmt: skip
    out, err = await process.communicate(given)
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()
