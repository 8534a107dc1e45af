"""Through a door: TLS with a certificate that is trusted, and a token with each call."""

import os
import socket
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import grpc

from ftctl import channel
from ftctl.address import Address, Server, Socket
from ftctl.errors import BadInput, DaemonUnreachable

# Where systems keep what they trust; Python's OpenSSL may have been built for another one.
_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem",
    "/etc/ssl/ca-bundle.pem",
)  # fmt: skip
# A connection takes several ways there and back, of 0.3 s each between continents.
CONNECT_MS = 3000
# Daemons allow one a minute. So a laptop that slept learns that its connection is gone.
KEEPALIVE_MS = 75_000
KEEPALIVE_TIMEOUT_MS = 20_000
_PORT = "is this the port of `ftd serve --listen`?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Handshake:
    """How a daemon was met."""

    protocol: str
    """`TLSv1.3`."""
    expire_time: datetime
    """When its certificate ends."""


def knock(where: Address) -> None:
    """Return at once if something listens there. Raises DaemonUnreachable, BadInput."""
    match where:
        case Socket():
            channel.probe(where.path)
        case Server():
            shake(where)


def shake(server: Server) -> Handshake:
    """Make a connection, look whom it is with, and end it; no token is sent.

    Raises:
        DaemonUnreachable: with the reason and the remedy.
        BadInput: where the file of trusted certificates cannot be used.
    """
    context = _context(server)
    try:
        plain = socket.create_connection((server.host, server.port), channel.CONNECT_DEADLINE_S)
    except OSError as error:
        raise _unreachable(server, *_unheard(error, server)) from None
    with plain:
        try:
            with context.wrap_socket(plain, server_hostname=server.host) as line:
                return _handshake(line, server)
        except OSError as error:
            raise _unreachable(server, *_unshaken(error, server)) from None


def credentials(server: Server) -> grpc.ChannelCredentials:
    """Return what a channel to a server needs: gRPC sends the token over TLS alone."""
    return grpc.composite_channel_credentials(
        grpc.ssl_channel_credentials(_roots(server)),
        grpc.access_token_call_credentials(server.token),
    )


def target(server: Server) -> str:
    """Return what gRPC calls a server."""
    return f"dns:///{server}"


def options() -> list[tuple[str, int | str]]:
    """Return how channels to a server are set up."""
    ours: dict[str, int | str] = {
        "grpc.min_reconnect_backoff_ms": CONNECT_MS,
        "grpc.keepalive_time_ms": KEEPALIVE_MS,
        "grpc.keepalive_timeout_ms": KEEPALIVE_TIMEOUT_MS,
        # Directly, as `shake` does: proxies of the web are not for machines of the house.
        "grpc.enable_http_proxy": 0,
    }
    return list({**dict(channel.options()), **ours}.items())


# --- certificates ---------------------------------------------------------------------------


def _context(server: Server) -> ssl.SSLContext:
    """Return how a connection is made: with TLS 1.2 or later, certificate and name checked."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_alpn_protocols(["h2"])
    roots = _roots(server)
    if roots is None:
        context.load_default_certs()
        return context
    try:
        context.load_verify_locations(cadata=roots.decode("ascii", errors="ignore"))
    except (ssl.SSLError, ValueError):
        raise BadInput(
            f"{server.ca} holds no certificate in PEM; name the file of the CA that signed the "
            "daemon's with --ca FILE or FTCTL_CA"
        ) from None
    return context


def _roots(server: Server) -> bytes | None:
    """Return the certificates that are trusted; None: nothing is known of the system's."""
    if server.ca is not None:
        try:
            return server.ca.read_bytes()
        except OSError as error:
            raise BadInput(
                f"the certificates in {server.ca} cannot be read: {error.strerror}; name the file "
                "of the CA with --ca FILE or FTCTL_CA"
            ) from None
    known = ssl.get_default_verify_paths().cafile
    for path in (known, *_BUNDLES):
        if path and os.access(path, os.R_OK):
            return Path(path).read_bytes()
    return None


def _handshake(line: ssl.SSLSocket, server: Server) -> Handshake:
    if line.selected_alpn_protocol() != "h2":
        raise _unreachable(server, "it speaks TLS and is no daemon", _PORT)
    ends = str((line.getpeercert() or {})["notAfter"])
    return Handshake(
        protocol=line.version() or "TLS",
        expire_time=datetime.fromtimestamp(ssl.cert_time_to_seconds(ends), UTC),
    )


# --- what is told ---------------------------------------------------------------------------


def _unreachable(server: Server, why: str, remedy: str) -> DaemonUnreachable:
    return DaemonUnreachable(f"no daemon can be reached at {server} ({why}); {remedy}")


def _unheard(error: OSError, server: Server) -> tuple[str, str]:
    """Say why no connection came about, and what to do."""
    match error:
        case socket.gaierror():
            return (
                "no machine of that name is known",
                "check it: it is from --server, FTCTL_SERVER or the context",
            )
        case ConnectionRefusedError():
            return (
                "nothing listens there",
                "`ftd serve --listen HOST:PORT --tls-cert FILE --tls-key FILE` on that machine "
                "does; or name another with --server or FTCTL_SERVER",
            )
        case TimeoutError():
            return (
                f"it did not accept within {channel.CONNECT_DEADLINE_S:.0f} s",
                f"is it on, and does its firewall let port {server.port} through?",
            )
        case _:
            return (
                str(error.strerror or error).lower(),
                "is this machine in the right network?",
            )


def _unshaken(error: OSError, server: Server) -> tuple[str, str]:
    """Say why a connection is not one with a daemon that is trusted, and what to do."""
    match error:
        case ssl.SSLCertVerificationError():
            return _untrusted(error, server)
        case TimeoutError():
            return (
                f"it accepted and then said nothing for {channel.CONNECT_DEADLINE_S:.0f} s",
                _PORT,
            )
        case _:
            return ("it speaks no TLS that we do", _PORT)


_NOT_YET, _EXPIRED, _OTHER_NAME, _OTHER_IP = 9, 10, 62, 64


def _untrusted(error: ssl.SSLCertVerificationError, server: Server) -> tuple[str, str]:
    match error.verify_code:
        case code if code in (_OTHER_NAME, _OTHER_IP):
            return (
                f"its certificate is not one of {server.host}",
                f"say the name that stands in it, or have one made for {server.host}",
            )
        case code if code == _EXPIRED:
            return ("its certificate has expired", "who runs the daemon has to renew it")
        case code if code == _NOT_YET:
            return ("its certificate is not valid yet", "is the clock of this machine right?")
    by = f" by {server.ca}" if server.ca else ""
    return (
        f"its certificate is not trusted{by}",
        "name the file of the CA that signed it with --ca FILE or FTCTL_CA",
    )
