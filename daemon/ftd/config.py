"""What the daemon is told at its start: flags, then environment, then defaults."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from pydantic import ByteSize, TypeAdapter, ValidationError

from ftd.errors import BadConfig

LogFormat = Literal["auto", "json", "text"]
LogLevel = Literal["debug", "info", "warning", "error"]

# struct sockaddr_un has 108 bytes, the terminating zero included.
MOST_SOCKET_BYTES = 107
_SIZE = TypeAdapter(ByteSize)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All that is configured."""

    state_dir: Path
    socket: Path
    log_format: LogFormat
    """auto: text on a terminal, JSON elsewhere."""
    log_level: LogLevel
    reserve: int | None
    """Bytes of memory that the waiting worker touches ahead; None: as the machine has."""


def load(flags: Mapping[str, str | None], environment: Mapping[str, str]) -> Config:
    """Return the configuration. A flag `log_level` goes before `FTD_LOG_LEVEL`.

    Raises:
        BadConfig: with all faults, one per line.
    """

    def told(name: str, default: str) -> str:
        return flags.get(name) or environment.get(f"FTD_{name.upper()}") or default

    state_dir = _absolute(told("state", str(default_state(environment))))
    socket = _absolute(told("socket", str(default_socket(environment))))
    log_format = told("log_format", "auto").lower()
    log_level = told("log_level", "info").lower()
    reserve = told("reserve", "auto").lower()
    faults = [
        *_choice("log-format", log_format, get_args(LogFormat)),
        *_choice("log-level", log_level, get_args(LogLevel)),
        *_length(socket),
        *_size("reserve", reserve),
    ]
    if faults:
        raise BadConfig("\n".join(faults))
    return Config(
        state_dir=state_dir,
        socket=socket,
        log_format=log_format,  # type: ignore[arg-type]  # checked above
        log_level=log_level,  # type: ignore[arg-type]  # checked above
        reserve=None if reserve == "auto" else _bytes(reserve),
    )


def default_state(environment: Mapping[str, str]) -> Path:
    """Return where the daemon keeps its state unless it is told otherwise."""
    home = environment.get("XDG_STATE_HOME")
    return Path(home or Path.home() / ".local" / "state") / "finetuned"


def default_socket(environment: Mapping[str, str]) -> Path:
    """Return where the daemon listens unless it is told otherwise. The client has the same rule:

    `$XDG_RUNTIME_DIR/finetuned/ftd.sock` where that is set, else `ftd.sock` in the default state.
    """
    runtime = environment.get("XDG_RUNTIME_DIR")
    folder = Path(runtime) / "finetuned" if runtime else default_state(environment)
    return folder / "ftd.sock"


def _absolute(path: str) -> Path:
    return Path(path).expanduser().absolute()


def _choice(name: str, given: str, known: tuple[str, ...]) -> list[str]:
    if given in known:
        return []
    return [f"--{name}: `{given}` is not one of {', '.join(known)}"]


def _size(name: str, given: str) -> list[str]:
    if given == "auto" or _bytes(given) is not None:
        return []
    return [f"--{name}: `{given}` is no size; say one like 512MiB, 0 for none, or auto"]


def _bytes(given: str) -> int | None:
    try:
        return int(_SIZE.validate_python(given))
    except ValidationError:
        return None


def _length(socket: Path) -> list[str]:
    size = len(os.fsencode(socket))
    if size <= MOST_SOCKET_BYTES:
        return []
    return [
        f"--socket: {socket} has {size} bytes, a unix socket's path at most {MOST_SOCKET_BYTES}; "
        "give a shorter one"
    ]
