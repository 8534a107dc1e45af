"""What a value of the configuration must look like: text in, a value or what is wrong out."""

import ipaddress
import math
import os
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from ftd.settings import Kind, Setting

# struct sockaddr_un has 108 bytes, the terminating zero included.
MOST_SOCKET_BYTES = 107
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(?:([KMGT])(I?)B?|B?)", re.IGNORECASE)
_DEVICES = re.compile(r"auto|nvidia|cpu(:[1-9]\d{0,3})?|sim:[1-9]\d{0,3}x[1-9]\d{0,5}[KMGT]iB")
_SPAN = re.compile(r"(\d{1,5})(min|h|d)")
_UNITS = {"min": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
_ADDRESS = re.compile(r"\[([^\[\]]+)\]:(\d{1,5})|([^\[\]:]+):(\d{1,5})")


def read(setting: Setting, text: str) -> Any:
    """Return the value that a text means.

    Raises:
        ValueError: with what is wrong about it, and what would be right.
    """
    return _READERS[setting.kind](setting, text)


def size_bytes(text: str) -> int:
    """Return the bytes of a size such as `512MiB` (KB are thousands, KiB and K are 1024s).

    Raises:
        ValueError: where it is none.
    """
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError(f"`{text}` is no size")
    number, unit, binary = match.groups()
    if unit is None:
        return int(float(number))
    power = "KMGT".index(unit.upper()) + 1
    is_decimal = not binary and text.upper().endswith("B")
    return int(float(number) * (1000 if is_decimal else 1024) ** power)


def _path(setting: Setting, text: str) -> Path:
    if "\0" in text:
        raise ValueError("a path holds no zero byte")
    path = Path(text).expanduser().absolute()
    size = len(os.fsencode(path))
    if setting.name == "socket" and size > MOST_SOCKET_BYTES:
        raise ValueError(
            f"{path} has {size} bytes, a unix socket's path at most {MOST_SOCKET_BYTES}; "
            "give a shorter one"
        )
    return path


def _paths(setting: Setting, text: str) -> tuple[Path, ...]:
    if any(not part.startswith(("/", "~")) for part in text.split(":")):
        raise ValueError(f"`{text}` holds a relative folder; begin each with / and part them by :")
    return tuple(_path(setting, part) for part in text.split(":"))


def _choice(setting: Setting, text: str) -> str:
    if text.lower() not in setting.choices:
        raise ValueError(f"`{text.lower()}` is not one of {', '.join(setting.choices)}")
    return text.lower()


def _size(_setting: Setting, text: str) -> int | None:
    if text.lower() == "auto":
        return None
    try:
        return size_bytes(text)
    except ValueError:
        raise ValueError(
            f"`{text.lower()}` is no size; say one like 512MiB, 0 for none, or auto"
        ) from None


def _devices(_setting: Setting, text: str) -> str:
    if not _DEVICES.fullmatch(text):
        raise ValueError(f"`{text}` names no devices; say auto, nvidia, cpu, cpu:2 or sim:4x16GiB")
    return text


def _count(_setting: Setting, text: str) -> int:
    if not re.fullmatch(r"\d{1,7}", text) or int(text) == 0:
        raise ValueError(f"`{text}` is no whole number from 1 to 9999999")
    return int(text)


def _seconds(_setting: Setting, text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds <= 86_400:
        raise ValueError(f"`{text}` is no number of seconds from 0 to 86400")
    return seconds


def span(text: str) -> timedelta:
    """Return the time of a text such as `90min`, `12h` or `30d`.

    Raises:
        ValueError: where it is none.
    """
    match = _SPAN.fullmatch(text)
    if match is None or int(match[1]) == 0:
        raise ValueError(f"`{text}` is no time; say one like 90min, 12h or 30d")
    return int(match[1]) * _UNITS[match[2]]


def _span(_setting: Setting, text: str) -> timedelta | None:
    if text == "off":
        return None
    try:
        return span(text)
    except ValueError as error:
        raise ValueError(f"{error}, or off") from None


def _address(_setting: Setting, text: str) -> str | None:
    if text == "off":
        return None
    match = _ADDRESS.fullmatch(text)
    if match is None or not 1 <= int(match[2] or match[4]) <= 65_535:
        raise ValueError(f"`{text}` is no address; say one like 127.0.0.1:9400, [::1]:9400, or off")
    if not _is_loopback(match[1] or match[3]):
        raise ValueError(
            f"`{text}` is not on the loopback, where alone metrics are served without TLS; "
            "say 127.0.0.1 or [::1], and let a proxy with TLS stand before it"
        )
    return text


def _door(_setting: Setting, text: str) -> str | None:
    if text == "off":
        return None
    match = _ADDRESS.fullmatch(text)
    if match is None or not 1 <= int(match[2] or match[4]) <= 65_535:
        raise ValueError(f"`{text}` is no address; say one like 0.0.0.0:7443, [::]:7443, or off")
    return text


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False  # a name too, which may mean another address tomorrow


_READERS: dict[Kind, Callable[[Setting, str], Any]] = {
    "path": _path,
    "choice": _choice,
    "size": _size,
    "devices": _devices,
    "count": _count,
    "seconds": _seconds,
    "span": _span,
    "address": _address,
    "door": _door,
    "file": _path,
    "paths": _paths,
}
