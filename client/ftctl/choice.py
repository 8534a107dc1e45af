"""Which daemon is meant: what is said, else the environment, else the current context, else the
socket of this machine."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ftctl import address, channel, contexts
from ftctl.address import Address, Server, Socket
from ftctl.errors import BadInput

# One of them says where the daemon is; two would be two daemons.
_WHERE = ("FTCTL_SOCKET", "FTCTL_SERVER", "FTCTL_CONTEXT")


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What was said of a daemon, by options or arguments."""

    socket: str | Path | None = None
    server: str | None = None
    token: str | None = field(default=None, repr=False)
    ca: str | Path | None = None


def find(said: Said, environment: Mapping[str, str] = os.environ) -> Address:
    """Return where the daemon is.

    FTCTL_TOKEN and FTCTL_CA go with --server and FTCTL_SERVER; a context has its own.

    Raises:
        BadInput: where two daemons are named, or a server without a token.
    """
    if said.socket and said.server:
        raise BadInput("a socket and a server were named, which are two daemons; name one of them")
    found = _found(said, environment)
    if isinstance(found, Server):
        return _with(found, said)
    if said.ca or said.token:
        raise BadInput(
            f"a token and --ca are for a server, and {found} is a socket; name the server with "
            "--server or FTCTL_SERVER"
        )
    return found


def _found(said: Said, environment: Mapping[str, str]) -> Address:
    if said.socket:
        return Socket(path=Path(said.socket))
    if said.server:
        return _server(said.server, said, environment)
    named = [name for name in _WHERE if environment.get(name)]
    if len(named) > 1:
        raise BadInput(f"{' and '.join(named)} are set, which are two daemons; unset one of them")
    match named:
        case ["FTCTL_SERVER"]:
            return _server(environment["FTCTL_SERVER"], said, environment)
        case ["FTCTL_CONTEXT"]:
            return _of_context(environment["FTCTL_CONTEXT"], environment)
    if named or environment.get("FTD_SOCKET"):
        return Socket(path=channel.default_socket(environment))
    return _of_context("", environment)


def _server(text: str, said: Said, environment: Mapping[str, str]) -> Server:
    token = said.token or environment.get("FTCTL_TOKEN")
    return address.server(text, token=token, ca=said.ca or environment.get("FTCTL_CA"))


def _of_context(name: str, environment: Mapping[str, str]) -> Address:
    """Return where a context is, or the current one."""
    kept = contexts.read(contexts.place(environment))
    name = name or kept.current
    if name == contexts.LOCAL:
        return Socket(path=channel.default_socket(environment))
    return kept.named(name)


def _with(server: Server, said: Said) -> Server:
    return address.server(str(server), token=said.token or server.token, ca=said.ca or server.ca)
