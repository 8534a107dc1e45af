"""How long one decision takes: 10,000 jobs wait for 1,000 devices.

Run as `python -m benchmarks.decide`. Every decision is taken on a state of its own, drawn anew.
"""

import gc
import random
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from benchmarks.table import Row, finish
from ftd.jobs.policy import Pending, Place, Tenant, decide

TITLE = "Decisions"
JOBS, DEVICES = 10_000, 1_000
TIMES = 200
GOAL_MS = 50.0
_DrawJob = Callable[[random.Random, int], Pending]
_DrawMachine = Callable[[random.Random], list[Place]]
_GIB = 2**30
_NOW = datetime(2026, 11, 21, tzinfo=UTC)


def measure() -> list[Row]:
    """Measure each mix."""
    return [_measured(what, draw_job, draw_machine) for what, draw_job, draw_machine in MIXES]


def _measured(what: str, draw_job: _DrawJob, draw_machine: _DrawMachine) -> Row:
    source = random.Random(what)
    queue = [draw_job(source, number) for number in range(JOBS)]
    processor_ms, clock_ms = [], []
    for _ in range(TIMES):
        machine = draw_machine(source)
        queue = _moved_on(source, queue, draw_job)
        gc.collect()  # the garbage of drawing the state is not the decision's
        clock, processor = time.perf_counter(), time.thread_time()
        decision = decide(queue, machine, _NOW)
        processor_ms.append((time.thread_time() - processor) * 1000)
        clock_ms.append((time.perf_counter() - clock) * 1000)
        assert len(decision.starts) + len(decision.reasons) == JOBS
    p50, p99 = statistics.median(processor_ms), _p99(processor_ms)
    return Row(
        what=f"{JOBS:,} jobs, {DEVICES:,} devices, {what}: processor time, p99 of {TIMES}",
        value=f"{p99:.1f} ms (median {p50:.1f} ms; p99 by the clock {_p99(clock_ms):.1f} ms)",
        goal=f"≤ {GOAL_MS:g} ms",
        holds=p99 <= GOAL_MS,
    )


def _p99(figures: list[float]) -> float:
    return statistics.quantiles(figures, n=100)[98]


def _moved_on(source: random.Random, queue: list[Pending], draw_job: _DrawJob) -> list[Pending]:
    """Return the queue a while later: a hundredth of it has gone, as much has come."""
    kept = [job for job in queue if source.random() > 0.01]
    last = max(job.number for job in queue)
    return kept + [draw_job(source, last + 1 + i) for i in range(JOBS - len(kept))]


def _job(source: random.Random, number: int) -> Pending:
    return Pending(
        id=f"{number:032x}",
        number=number,
        priority=source.choice([0, 0, 0, 10, -10, source.randint(-1000, 1000)]),
        is_planned=source.random() > 0.02,
        waits_for=("pretrain",) if source.random() < 0.05 else (),
        plan_needs=(),
        devices=source.choice([1, 1, 1, 1, 1, 1, 2, 4, 8, 64]),
        memory_bytes=source.choice(
            [None, source.randint(1, 20) * _GIB, source.randint(1, 90) * _GIB]
        ),
        not_before=_NOW + timedelta(hours=number) if source.random() < 0.02 else None,
    )


def _small(source: random.Random, number: int) -> Pending:
    """Return a job of which a device takes ten: all of them start at once."""
    facts = _job(source, number)
    return replace(facts, devices=1, memory_bytes=source.randint(1, 8 * _GIB))


def _device(number: int, *tenants: int | None) -> Place:
    return Place(
        device=f"gpu-{number:08x}",
        memory_bytes=80 * _GIB,
        foreign_bytes=0,
        foreign_names=(),
        closed="",
        tenants=tuple(
            Tenant(name=f"job-{number}-{i}", memory_bytes=memory)
            for i, memory in enumerate(tenants)
        ),
    )


def _empty(source: random.Random) -> list[Place]:
    return [_device(number) for number in range(DEVICES)]


def _full(source: random.Random) -> list[Place]:
    return [_device(number, None) for number in range(DEVICES)]


def _busy(source: random.Random) -> list[Place]:
    return [_device(number, *_tenants(source)) for number in range(DEVICES)]


def _tenants(source: random.Random) -> list[int | None]:
    """Return what is on a device of a busy machine: a job, some that share it, seldom nothing."""
    if source.random() < 0.4:
        return [None]
    return [source.randint(4, 25) * _GIB for _ in range(source.randint(0, 3))]


def _troubled(source: random.Random) -> list[Place]:
    """Return devices of two sizes, a third of them closed, a third partly held by others."""
    return [
        replace(
            place,
            memory_bytes=source.choice([40, 80]) * _GIB,
            foreign_bytes=source.choice([0, 0, source.randint(1, 40)]) * _GIB,
            foreign_names=("python (4711)",),
            closed=source.choice(["", "", source.choice(["drained: moving", "unhealthy: XID 79"])]),
        )
        for place in _busy(source)
    ]


def _drained(source: random.Random) -> list[Place]:
    return [replace(place, closed="drained: moving") for place in _busy(source)]


MIXES: list[tuple[str, _DrawJob, _DrawMachine]] = [
    ("all devices empty", _job, _empty),
    ("all devices empty and room for all jobs", _small, _empty),
    ("one job on each", _job, _full),
    ("jobs that share, some room", _job, _busy),
    ("the same, many closed or partly held by others", _job, _troubled),
    ("all drained", _job, _drained),
]


if __name__ == "__main__":
    sys.exit(finish(TITLE, measure()))
