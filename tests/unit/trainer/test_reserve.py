"""Memory touched ahead: it is there, it is used, and no forked process copies it."""

import json
import os
import subprocess
import sys

SIZE = 64 << 20
SCRIPT = """
import ctypes, json, os, resource, sys, threading
from fttrain import process
from fttrain.reserve import Reserve

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

size, before = int(sys.argv[1]), resident()
reserve = Reserve.begin(size)
while sys.argv[2] == "wait" and resident() - before < 0.9 * size:
    pass
reserve.stop()
told = {"touched": resident() - before, "threads": threading.active_count()}
child = os.fork()
if child == 0:
    os._exit(0 if resident() < before + size // 2 else 1)
told["child"] = os.waitpid(child, 0)[1]
reserve.release(keep=int(sys.argv[3]))
told["kept"] = process.peak_memory_bytes() - before
libc, begun = ctypes.CDLL(None), faults()
libc.malloc.restype = ctypes.c_void_p
ctypes.memset(libc.malloc(ctypes.c_size_t(size // 2)), 1, size // 2)
told["faults"] = faults() - begun
print(json.dumps(told))
"""


def _run(size: int, wait: str = "wait", keep: int = SIZE) -> dict[str, int]:
    command = [sys.executable, "-c", SCRIPT, str(size), wait, str(keep)]
    environment = {**os.environ, "GLIBC_TUNABLES": ""}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    told: dict[str, int] = json.loads(done.stdout)
    return told


def test_what_is_allocated_next_lies_in_memory_that_was_touched_ahead() -> None:
    told = _run(SIZE)

    assert told["touched"] >= 0.9 * SIZE
    assert told["faults"] < 100  # of 8192 pages
    assert told["threads"] == 1


def test_a_forked_process_does_not_share_it() -> None:
    assert _run(SIZE)["child"] == 0


def test_what_the_job_does_not_need_goes_back_and_is_not_told_as_its_own() -> None:
    assert _run(SIZE, keep=SIZE // 4)["kept"] <= SIZE // 2


_BESIDE_OTHERS = """
import sys, threading, time
from pathlib import Path
from fttrain import reserve

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096

size, before, asked = 32 << 20, resident(), threading.Semaphore(0)
reserve.AMID_OTHERS, reserve._QUIET_S, running = 8 << 20, 0.0, [True]

def are_others():
    asked.release()
    return running[0]

held = reserve.Reserve.begin(size, are_others)
for _ in range(4):  # It has seen them, waited, and seen them again.
    assert asked.acquire(timeout=60)
amid = resident() - before
running[0] = False
while resident() - before < 0.9 * size:
    pass
held.stop()
other = reserve.Reserve.begin(size, lambda: True)
other.stop()
print(amid)
"""


def test_beside_other_jobs_little_is_touched_and_the_rest_when_they_have_ended() -> None:
    command = [sys.executable, "-c", _BESIDE_OTHERS]
    environment = {**os.environ, "GLIBC_TUNABLES": ""}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert 8 << 20 <= int(done.stdout) + (1 << 20) < 16 << 20


def test_stopping_early_and_having_none_are_no_faults() -> None:
    assert _run(SIZE, "at once")["threads"] == 1
    assert _run(0, "at once")["touched"] < SIZE // 8
