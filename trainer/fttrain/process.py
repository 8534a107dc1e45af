"""The worker's own process: what it sets for itself, and what it measures of itself."""

import contextlib
import ctypes
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch

from fttrain.spec.plan import Plan

_IN_PASSING = 64 << 20


def confine(environment: Mapping[str, str], cores: Sequence[int]) -> None:
    """Have this process see its devices and use its cores, and no others.

    Call it before torch has looked for devices and before its threads begin.
    """
    os.environ.update(environment)
    usable = os.sched_getaffinity(0) & set(cores)
    if usable:
        os.sched_setaffinity(0, usable)


def settle(*, threads: int, device: str) -> None:
    """Prepare this process to train: memory, threads, determinism."""
    # cuBLAS repeats itself exactly only with a workspace of its own; read when CUDA begins.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    keep_freed_memory()
    torch.set_num_threads(threads)
    # A few operators have no exact twin on a GPU; there they warn in the log.
    torch.use_deterministic_algorithms(True, warn_only=device != "cpu")
    # Filling fresh memory costs time and guards against reading it, which nothing here does.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Have torch take one thread within this context."""
    count = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(count)


_M_TRIM_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -4, -8  # From glibc's malloc.h.


def keep_freed_memory() -> None:
    """Have malloc use freed memory again instead of giving it back to the kernel.

    Each step needs what the one before has freed. Fresh pages for every large activation cost a
    third of the time: MobileNetV2 in batches of 8 takes 127 ms a step instead of 192.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:  # glibc alone has it.
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
        # What one thread has freed another may use: those that pass images come and go.
        mallopt(_M_ARENA_MAX, 1)


def working_set_bytes(plan: Plan) -> int:
    """Return about how much memory a step allocates, beside the net itself.

    That is what it keeps and a little in passing, gradients, and an optimizer's two moments.
    """
    if plan.device != "cpu":
        return _IN_PASSING
    return plan.activation_bytes * 5 // 4 + plan.parameters_trained * 4 * 3 + _IN_PASSING


def forget_peak_memory() -> None:
    """Have the peak count from now on: what lay waiting was not the job's."""
    with contextlib.suppress(OSError):  # a kernel without it tells a little too much
        Path("/proc/self/clear_refs").write_text("5")


def peak_memory_bytes() -> int:
    """Return the most memory that was used so far, or since `forget_peak_memory`.

    Of the accelerator where there is one, else what was resident.
    """
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        return int(torch.cuda.max_memory_reserved())
    # Not from getrusage, which counts what another program was before its exec.
    status = Path("/proc/self/status").read_text()
    (kilobytes,) = re.findall(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    return int(kilobytes) * 1024
