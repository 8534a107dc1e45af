"""Sizes, time spans and moments as people write them.

Each reader returns what a text or a number means, or raises ValueError with what would be right.
"""

import json
import re
from datetime import UTC, datetime, time, timedelta
from fractions import Fraction
from typing import Any

_BYTES = {
    "B": 1,
    "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
    "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40,
}  # fmt: skip
_SIZE = re.compile(rf"(\d+(?:\.\d+)?)\s*({'|'.join(_BYTES)})?")
# A job that says less has forgotten the unit.
LEAST_BYTES = 2**20
MOST_BYTES = 2**63 - 1

_SECONDS = {"d": 86400, "h": 3600, "m": 60, "min": 60, "s": 1}
_PART = r"(\d+(?:\.\d+)?)\s*(d|h|min|m|s)\s*"
_SPAN = re.compile(rf"(?:{_PART})+")
LEAST_SECONDS = 1
# The wire carries 10,000 years.
MOST_SECONDS = 3_650_000 * 86400

_DATED = re.compile(r"\d{4}-\d\d-\d\d.*")
_BARE_TIME = re.compile(r"\d\d?:\d\d.*")
_MOMENTS = "write 2026-11-22T08:00:00+01:00, or 22:00 for the next time that it is so late"


def size(value: Any) -> int:
    """Return how many bytes `11GiB`, `16GB` or a number of bytes are."""
    count = _count(value)
    if count is None:
        raise ValueError(
            f"must be a size such as 512MiB, 11GiB, 16GB or a number of bytes, not {_shown(value)}"
        )
    if count > MOST_BYTES:
        raise ValueError(f"{_shown(value)} is out of range")
    if count < LEAST_BYTES:
        meant = f"; did you mean {count}GiB?" if 0 < count <= 1024 else ""
        raise ValueError(f"must be at least 1MiB, not {count:,} bytes{meant}")
    return count


def _count(value: Any) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    found = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    return int(Fraction(found[1]) * _BYTES[found[2] or "B"]) if found else None


def span(value: Any, *, least: int = LEAST_SECONDS) -> timedelta:
    """Return how long `2h30m`, `90s` or a number of seconds is; at least so many seconds."""
    seconds = _seconds(value)
    if seconds is None:
        raise ValueError(
            f"must be a time span such as 2h30m, 90s or a number of seconds, not {_shown(value)}"
        )
    if seconds > MOST_SECONDS:
        raise ValueError(f"{_shown(value)} is out of range")
    if seconds < least:
        raise ValueError(f"must be at least {least}s, not {_shown(value)}")
    return timedelta(seconds=float(seconds))


def _seconds(value: Any) -> Fraction | float | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    if not isinstance(value, str) or not _SPAN.fullmatch(value.strip()):
        return None
    parts = re.findall(_PART, value)
    return sum((Fraction(number) * _SECONDS[unit] for number, unit in parts), Fraction())


def moment(value: Any, *, now: datetime) -> datetime:
    """Return which moment an ISO 8601 text means, in UTC.

    Without a zone it is this machine's local time; a bare time such as `22:00` is the next such
    moment after `now`.
    """
    text = value.strip() if isinstance(value, str) else ""
    try:
        if _DATED.fullmatch(text):
            return datetime.fromisoformat(text).astimezone(UTC)
        if _BARE_TIME.fullmatch(text):
            return _next(time.fromisoformat(text.zfill(5)), now)
    except (ValueError, OverflowError):
        raise ValueError(f"there is no such moment as {_shown(value)}; {_MOMENTS}") from None
    raise ValueError(f"must be a moment, not {_shown(value)}; {_MOMENTS}")


def _next(at: time, now: datetime) -> datetime:
    # Day by day: where clocks change, a day has 23 or 25 hours.
    today = now.astimezone(at.tzinfo).date()
    days = (today + timedelta(days=ahead) for ahead in range(3))
    moments = (datetime.combine(day, at).astimezone(UTC) for day in days)
    return next(moment for moment in moments if moment > now)


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."
