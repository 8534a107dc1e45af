"""What a worker says of the error that ends it: a reason to program against, and what to do."""

import errno
import re
import signal
import traceback
from dataclasses import asdict
from pathlib import Path

import torch

from fttrain import events
from fttrain.assembly import InputsChanged
from fttrain.attempt import Diverged
from fttrain.data.decode import BadImage
from fttrain.data.loaders import LoaderDied
from fttrain.data.sparing import TooManyBad
from fttrain.models.tensors import BadWeights
from fttrain.resumption import ResumeRefused
from fttrain.spec import halving, rundir
from fttrain.spec.faults import RecipeFaults
from fttrain.spec.plan import Plan

CRASHES = (signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGABRT)
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
_DEVICE_IS_FULL = re.compile(r"CUDA error: out of memory|CUBLAS_STATUS_ALLOC_FAILED")
_HOST_IS_FULL = re.compile(r"DefaultCPUAllocator: (can't allocate memory|not enough memory).*")
_UNMAPPED = "failed to map segment from shared object"
"""What a library says for which there is no memory."""
_SENTENCES = re.compile(r"(?:.*?\.(?=\s|$)){1,3}", re.DOTALL)
_MAKE_SMALLER = "Lower train.batch_size and raise train.accumulate; submit again."


def told(error: Exception, run_dir: Path) -> events.Failed:
    """Return what to tell of an error; what nobody expected leaves its traceback in the log."""
    failed = _of_inputs(error) or _of_machine(error, run_dir)
    if failed is not None:
        return failed
    traceback.print_exception(error)
    told = f"{type(error).__name__}: {error}"
    return _failure("worker_error", told, "The log has the traceback.")


def _of_inputs(error: Exception) -> events.Failed | None:
    match error:
        case RecipeFaults():
            return _failure("bad_recipe", str(error), "Correct the recipe.", error)
        case TooManyBad():
            remedy = "Replace or remove them, or raise data.max_bad; submit again."
            return _failure("bad_data", str(error), remedy)
        case BadImage():
            return _failure("bad_data", str(error), "Replace or remove the file, submit again.")
        case InputsChanged() | BadWeights():
            return _failure("bad_data", str(error), "Submit the job again: it is planned anew.")
        case ResumeRefused():
            remedy = "Say `train.resume: inexact` and submit the job again, or undo what differs."
            return _failure("resume_refused", str(error), remedy)
        case Diverged():
            remedy = "Lower the learning rate, or set train.clip_norm."
            return _failure("non_finite_loss", str(error), remedy)
    return None


def _of_machine(error: Exception, run_dir: Path) -> events.Failed | None:
    match error:
        case LoaderDied():
            return _failure(_end_of(error), str(error), "Lower data.workers, submit again.")
        case torch.OutOfMemoryError():
            return _device_full(error, run_dir)
        case RuntimeError() if _DEVICE_IS_FULL.search(str(error)):
            return _device_full(error, run_dir)
        case MemoryError():
            return _host_full(str(error), run_dir)
        case RuntimeError() if found := _HOST_IS_FULL.search(str(error)):
            return _host_full(found[0], run_dir)
        case ImportError() if _UNMAPPED in str(error):
            return _host_full(str(error), run_dir)
        case OSError(errno=errno.ENOMEM):
            return _host_full(str(error), run_dir)
        case OSError() if error.errno in NO_ROOM:
            where = f" for {error.filename}" if error.filename else f" in {run_dir}"
            remedy = "Make room: `ftctl delete` ended jobs, or remove other files."
            return _failure("disk_full", f"There is no room{where}: {error.strerror}.", remedy)
    return None


def _end_of(died: LoaderDied) -> events.FailureName:
    if died.signal is None:
        return "worker_error"
    return "crashed" if died.signal in CRASHES else "killed_by_signal"


def _device_full(error: Exception, run_dir: Path) -> events.Failed:
    first = _SENTENCES.match(str(error))
    what = " ".join((first[0] if first else str(error)).split())
    return _memory("out_of_memory", f"The device's memory ran out: {what}", run_dir)


def _host_full(what: str, run_dir: Path) -> events.Failed:
    text = f"Memory ran out: {what.rstrip('.')}." if what else "Memory ran out."
    return _memory("host_out_of_memory", text, run_dir)


def _memory(reason: events.FailureName, what: str, run_dir: Path) -> events.Failed:
    traceback.print_exc()
    try:
        plan = Plan.model_validate_json((run_dir / rundir.PLAN).read_text())
    except (OSError, ValueError, MemoryError):
        return _failure(reason, what, _MAKE_SMALLER)
    size = halving.images_per_pass(plan)
    message = f"{what} Batches had {plan.batch_size} images"
    message += "." if size == plan.batch_size else f", {size} of them at once."
    return _failure(reason, message, _smaller(plan, size))


def _smaller(plan: Plan, size: int) -> str:
    if size == 1:
        return "Take smaller images or a smaller net; submit again."
    half = -(-size // 2)
    times = plan.accumulate * -(-plan.batch_size // half)
    return f"Say train.batch_size: {half} and train.accumulate: {times}; submit again."


def _failure(
    reason: events.FailureName, message: str, remedy: str, found: RecipeFaults | None = None
) -> events.Failed:
    listed = [asdict(fault) for fault in found.faults] if found is not None else []
    return events.Failed(reason=reason, message=message, remedy=remedy, faults=listed)
