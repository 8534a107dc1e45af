"""Where a daemon is: a socket of this machine, or a server that is reached by TLS."""

import ipaddress
import re
from dataclasses import dataclass, field
from pathlib import Path

from ftctl.errors import BadInput

_LABEL = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST = re.compile(rf"{_LABEL}(\.{_LABEL})*\.?")
_PORTS = range(1, 65536)
_TOKEN = re.compile(r"[!-~]{1,200}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Socket:
    """A unix socket."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A daemon's door to other machines."""

    host: str
    """A name or an IP address, without brackets."""
    port: int
    token: str = field(repr=False)
    ca: Path | None = None
    """The certificates that are trusted, as PEM. None: those that the system trusts."""

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


Address = Socket | Server


def server(text: str, *, token: str | None, ca: str | Path | None = None) -> Server:
    """Read HOST:PORT; an IPv6 address stands in brackets.

    Raises:
        BadInput: where it is none, or its token is missing or cannot be one.
    """
    host, _, port = text.strip().rpartition(":")
    host = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not _is_host(host) or not (port.isascii() and port.isdigit() and int(port) in _PORTS):
        raise BadInput(
            f"`{text}` is no server; say HOST:PORT, as lab.example:7443 or [2001:db8::1]:7443"
        )
    return Server(
        host=host, port=int(port), token=_token(text, token), ca=Path(ca).absolute() if ca else None
    )


def _is_host(text: str) -> bool:
    if ":" not in text:
        return len(text) <= 253 and _HOST.fullmatch(text) is not None
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def _token(text: str, token: str | None) -> str:
    """Return a token that can be sent. Its text is in no error: those reach screens and logs."""
    token = (token or "").strip()
    if not token:
        raise BadInput(
            f"there is no token for {text}; put one into FTCTL_TOKEN, or keep it with `ftctl "
            f"context add NAME --server {text}`; who runs the daemon makes one with `ftd token "
            "create NAME`"
        )
    if not _TOKEN.fullmatch(token):
        raise BadInput(
            f"what was given as the token for {text} cannot be one; copy the one line that `ftd "
            "token create` printed"
        )
    return token
