"""The judge of chaos sees each fault that it looks for: a positive control."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from ftctl import EpochEnded, Event, JobState
from tests.chaos.fleet import Entry, faults_of
from tests.fakes import views

EPOCHS = 3


@pytest.fixture
async def told() -> list[Event]:
    return list(await views.told(epochs=EPOCHS))


def judged(told: list[Event], seen: list[Event] | None = None, **facts: Any) -> list[str]:
    """Return the faults of a job that should have succeeded."""
    entry = Entry(id="1", name="job", epochs=EPOCHS, diverges=False, mother=None)
    entry.seen = list(told if seen is None else seen)
    epochs = [event.epoch for event in told if isinstance(event, EpochEnded)]
    stands = {
        "state": JobState.SUCCEEDED, "outcome": None, "epochs": epochs,
        "attempts": [SimpleNamespace(end_time="then")],
    }  # fmt: skip
    return list(faults_of(entry, SimpleNamespace(**{**stands, **facts}), told))


def test_a_job_that_went_well_has_no_fault(told: list[Event]) -> None:
    assert judged(told) == []


def test_a_gap_in_the_sequence_is_seen(told: list[Event]) -> None:
    assert judged([told[0], *told[2:]])[0].startswith("its events are [1, 3, ")


def test_a_watcher_that_missed_or_repeats_an_event_is_seen(told: list[Event]) -> None:
    count = len(told)

    for seen in (told[:-1], [*told, told[-1]]):
        fault = f"its watcher saw {len(seen)} events of {count}, or others"
        assert judged(told, seen) == [fault]


def test_an_epoch_that_is_stored_twice_or_never_is_seen(told: list[Event]) -> None:
    place = next(n for n, event in enumerate(told) if isinstance(event, EpochEnded))
    again = [*told[: place + 1], told[place], *told[place + 1 :]]
    without = [*told[:place], *told[place + 1 :]]

    for events in (again, without):
        events = [replace(event, sequence=n) for n, event in enumerate(events, start=1)]
        assert judged(events)[0].startswith("its epochs are [")


def test_a_job_that_ends_twice_or_wrongly_or_goes_on_is_seen(told: list[Event]) -> None:
    twice = [*told, replace(told[-1], sequence=len(told) + 1)]

    assert judged(twice) == ["it ended 2 times"]
    assert judged(told, state=JobState.FAILED) == ["ended failed: "]
    assert judged(told, attempts=[SimpleNamespace(end_time=None)]) == [
        "one of its attempts has no end"
    ]
