"""The certificate and the key by which the daemon is known to other machines."""

import os
import ssl
from dataclasses import dataclass, field
from pathlib import Path

from ftd.errors import BadConfig

# What OpenSSL calls a key of another certificate, of the same kind or of another.
_NO_PAIR = ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED")


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A certificate chain and its private key, as PEM."""

    certificate: bytes
    key: bytes = field(repr=False)


def read(certificate: Path, key: Path) -> Identity:
    """Read a pair of files that belong together.

    Raises:
        BadConfig: where one cannot be read, is no PEM, or is not the other's.
    """
    identity = Identity(certificate=_bytes("--tls-cert", certificate), key=_bytes("--tls-key", key))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        # A password is not asked for: a daemon has nobody to ask.
        context.load_cert_chain(certificate, key, password=lambda: b"")
    except ssl.SSLError as error:
        raise BadConfig(_fault(error, certificate, key)) from None
    return identity


def _bytes(flag: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadConfig(f"{flag}: {path} cannot be read: {os.strerror(error.errno or 0)}") from None


def _fault(error: ssl.SSLError, certificate: Path, key: Path) -> str:
    if error.reason in _NO_PAIR:
        return f"--tls-key: {key} is not the key of the certificate {certificate}"
    return (
        f"--tls-cert, --tls-key: {certificate} and {key} are no certificate and key in PEM "
        "without a password"
    )
