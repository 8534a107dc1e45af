"""What a job has told over all its attempts, each step once."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from fttrain import events
from fttrain.events import Entry, Resumed, Steps
from fttrain.spec import rundir


def read(run_dir: Path, earlier: Sequence[str]) -> list[Entry]:
    """Return the entries of an attempt's journal, the steps of the attempts before it ahead.

    Only those steps count that were done when the checkpoint was kept from which it goes on.
    """
    own, _ = events.read(run_dir / rundir.JOURNAL)
    resumed = next((entry.record for entry in own if isinstance(entry.record, Resumed)), None)
    if resumed is None:
        return own
    for place, folder in enumerate(map(Path, earlier)):
        if rundir.read_attempt(folder).attempt == resumed.attempt:
            before = read(folder, earlier[place + 1 :])
            return [*_steps_until(resumed.step, before), *own]
    return own


def _steps_until(last: int, entries: Sequence[Entry]) -> Iterator[Entry]:
    for entry in entries:
        if isinstance(told := entry.record, Steps) and told.first <= last:
            count = last - told.first + 1
            yield replace(
                entry, record=replace(told, lrs=told.lrs[:count], losses=told.losses[:count])
            )
