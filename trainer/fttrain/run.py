"""The worker's main: a run directory in, an exit code out. Every failure ends here, told."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from fttrain import distress, events, failing, process, repeats, report
from fttrain.attempt import Paused
from fttrain.journal import Journal
from fttrain.reserve import Reserve, usual_size
from fttrain.spec import rundir


def ahead(reserve: int | None, are_others: Callable[[], bool]) -> Callable[[Path], int]:
    """Do what needs no job: touch so many bytes of memory. Return what takes the job.

    `are_others` says whether other jobs run: meanwhile most of the memory is left to them.
    """
    size = usual_size() if reserve is None else reserve
    return partial(run, reserve=Reserve.begin(size, are_others))


def run(run_dir: Path, *, reserve: Reserve | None = None) -> int:
    """Train as the run directory says; return the exit code.

    What it tells goes to the journal, and for people to stdout. It may be killed at any instant.
    """
    if reserve is not None:
        reserve.stop()
    distress.arm()
    card = rundir.read_attempt(run_dir)
    process.confine(card.environment, card.cores)
    try:
        return _told(run_dir, card, reserve)
    except OSError as error:
        if error.errno not in failing.NO_ROOM:
            raise
        # There is no room even to say so: the exit code must do.
        return rundir.DISK_FULL


def _told(run_dir: Path, card: rundir.AttemptCard, reserve: Reserve | None) -> int:
    header = events.Header(format=events.FORMAT, job_id=card.job_id, attempt=card.attempt)
    journal = Journal(run_dir / rundir.JOURNAL, header)
    try:
        journal.write(events.Started(pid=os.getpid()))
        repeats.complete(run_dir, card, journal, reserve)
    except Paused:
        report.say("pauses, as it was asked; its checkpoint is kept")
    except Exception as error:  # noqa: BLE001 - the edge: whatever it is, it is told
        failed = failing.told(error, run_dir)
        journal.write(failed)
        report.say(f"failed: {failed.message}")
        return rundir.DISK_FULL if failed.reason == "disk_full" else 1
    finally:
        journal.close()
    return 0
