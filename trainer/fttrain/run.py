"""The worker's main: a run directory in, an exit code out. Every failure ends here, told."""

import os
import traceback
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path

from fttrain import events, process, repeats, report
from fttrain.assembly import InputsChanged
from fttrain.attempt import Diverged
from fttrain.data.decode import BadImage
from fttrain.data.loaders import LoaderDied
from fttrain.data.sparing import TooManyBad
from fttrain.journal import Journal
from fttrain.models.tensors import BadWeights
from fttrain.reserve import Reserve, usual_size
from fttrain.spec import rundir
from fttrain.spec.faults import RecipeFaults


def ahead(reserve: int | None) -> Callable[[Path], int]:
    """Do what needs no job: touch so many bytes of memory. Return what takes the job."""
    return partial(run, reserve=Reserve.begin(usual_size() if reserve is None else reserve))


def run(run_dir: Path, *, reserve: Reserve | None = None) -> int:
    """Train as the run directory says; return the exit code.

    What it tells goes to the journal, and for people to stdout. It may be killed at any instant.
    """
    if reserve is not None:
        reserve.stop()
    card = rundir.read_attempt(run_dir)
    process.confine(card.environment, card.cores)
    header = events.Header(format=events.FORMAT, job_id=card.job_id, attempt=card.attempt)
    journal = Journal(run_dir / rundir.JOURNAL, header)
    try:
        journal.write(events.Started(pid=os.getpid()))
        repeats.complete(run_dir, card, journal, reserve)
    except Exception as error:  # noqa: BLE001 - the edge: whatever it is, it is told
        failed = _failed(error)
        journal.write(failed)
        report.say(f"failed: {failed.message}")
        return 1
    finally:
        journal.close()
    return 0


def _failed(error: Exception) -> events.Failed:
    match error:
        case RecipeFaults():
            return _failure("bad_recipe", str(error), "Correct the recipe.", error)
        case LoaderDied():
            return _failure("worker_error", str(error), "Lower data.workers, submit again.")
        case TooManyBad():
            remedy = "Replace or remove them, or raise data.max_bad; submit again."
            return _failure("bad_data", str(error), remedy)
        case BadImage():
            return _failure("bad_data", str(error), "Replace or remove the file, submit again.")
        case InputsChanged() | BadWeights():
            return _failure("bad_data", str(error), "Submit the job again: it is planned anew.")
        case Diverged():
            remedy = "Lower the learning rate, or set train.clip_norm."
            return _failure("non_finite_loss", str(error), remedy)
        case _:
            traceback.print_exception(error)
            told = f"{type(error).__name__}: {error}"
            return _failure("worker_error", told, "The log has the traceback.")


def _failure(
    reason: events.FailureName, message: str, remedy: str, found: RecipeFaults | None = None
) -> events.Failed:
    listed = [asdict(fault) for fault in found.faults] if found is not None else []
    return events.Failed(reason=reason, message=message, remedy=remedy, faults=listed)
