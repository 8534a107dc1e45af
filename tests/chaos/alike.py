"""Compares a run that was broken with one that was not: every digit and every bit."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fttrain import events
from fttrain.models import tensors
from fttrain.spec import rundir

_ALLOWED_TO_DIFFER = ("seconds", "images_per_second", "memory_bytes")


def differences(whole: Path, attempts: Sequence[Path]) -> list[str]:
    """Return what differs between an unbroken run and all attempts of another one."""
    return list(_differences(whole, attempts))


def _differences(whole: Path, attempts: Sequence[Path]) -> Iterator[str]:
    expected, last = _records(whole), _records(attempts[-1])
    # What an attempt has told must hold, also where it was killed before it was kept.
    for attempt in attempts:
        told = _records(attempt)
        yield from _compared("step", _steps(expected), _steps(told), attempt)
        yield from _compared("epoch", _epochs(expected), _epochs(told), attempt)
    if set(_epochs(expected)) != set(_epochs(last)):
        yield f"epochs {sorted(_epochs(last))} instead of {sorted(_epochs(expected))}"
    for kind in (events.Evaluated, events.Finished):
        if _of(kind, expected) != _of(kind, last):
            yield f"{kind.kind}: {_of(kind, last)} instead of {_of(kind, expected)}"
    for name in (rundir.LAST, rundir.BEST):
        if not _is_same(whole / name, attempts[-1] / name):
            yield f"{name} differs"
    if (whole / rundir.MODEL).read_bytes() != (attempts[-1] / rundir.MODEL).read_bytes():
        yield f"{rundir.MODEL} differs"


def _compared(
    what: str, expected: dict[int, Any], told: dict[int, Any], attempt: Path
) -> Iterator[str]:
    for number, value in told.items():
        if expected.get(number) != value:
            yield f"{what} {number} of {attempt}: {value} instead of {expected.get(number)}"


def _records(run_dir: Path) -> list[events.Record]:
    return [entry.record for entry in events.read(run_dir / rundir.JOURNAL)[0]]


def _of(kind: type[events.Record], records: Sequence[events.Record]) -> list[events.Record]:
    return [record for record in records if isinstance(record, kind)]


def _steps(records: Sequence[events.Record]) -> dict[int, tuple[float, list[float]]]:
    return {
        told.first + place: (loss, lrs)
        for told in records
        if isinstance(told, events.Steps)
        for place, (loss, lrs) in enumerate(zip(told.losses, told.lrs, strict=True))
    }


def _epochs(records: Sequence[events.Record]) -> dict[int, dict[str, Any]]:
    return {
        told.epoch: {k: v for k, v in asdict(told).items() if k not in _ALLOWED_TO_DIFFER}
        for told in records
        if isinstance(told, events.EpochEnded)
    }


def _is_same(one: Path, other: Path) -> bool:
    mine, theirs = tensors.read(one).tensors, tensors.read(other).tensors
    return mine.keys() == theirs.keys() and all(mine[n].equal(v) for n, v in theirs.items())
