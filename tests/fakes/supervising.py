"""A daemon without its RPC layer: real store, zygote, shims and signals; the workers are fakes."""

import contextlib
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest

from ftd.devices import inventory
from ftd.devices.nvml import Nvml, load
from ftd.jobs.broadcast import Broadcast
from ftd.jobs.ledger import Clock
from ftd.jobs.model import Event, EventKind, Job, JobState
from ftd.jobs.silence import STALL_S
from ftd.jobs.store import NO_LIMITS, Store
from ftd.jobs.store.writes import QueueLimits
from ftd.jobs.supervisor import Supervisor, utc_now
from ftd.jobs.zygote import Zygote
from fttrain.spec import rundir
from tests.fakes.attempts import make_request

COMMAND = (sys.executable, "-P", str(Path(__file__).with_name("zygote_of_faults.py")))


@contextlib.asynccontextmanager
async def daemon(
    state_dir: Path,
    command: Sequence[str] = COMMAND,
    *,
    devices: str = "cpu",
    nvml: Callable[[], Nvml] = load,
    limits: QueueLimits = NO_LIMITS,
    clock: Clock = utc_now,
    stall_s: float = STALL_S,
) -> AsyncIterator[Supervisor]:
    """A daemon without its RPC layer."""
    async with await Store.open(state_dir / "ftd.sqlite") as store:
        supervisor = Supervisor(
            store=store,
            broadcast=Broadcast(store),
            zygote=Zygote(state_dir / "zygote.log", command),
            inventory=inventory.open_inventory(devices, load=nvml),
            state_dir=state_dir,
            limits=limits,
            clock=clock,
            stall_s=stall_s,
        )
        async with supervisor.working():
            yield supervisor


async def submit(supervisor: Supervisor, act: str, **changes: Any) -> Job:
    return await supervisor.submit(make_request(act, **changes), request_id="")


async def watch(supervisor: Supervisor, job: Job) -> list[Event]:
    """Return all events of a job, once it has ended."""
    return [event async for event in supervisor.broadcast.subscribe(job.id)]


async def until(supervisor: Supervisor, job: Job, state: JobState, reason: str = "") -> None:
    """Return once a job is in a state (and waits for a reason)."""
    async for event in supervisor.broadcast.subscribe(job.id):
        is_there = event.kind is EventKind.STATE and event.body["state"] == state
        if is_there and event.body["reason"].startswith(reason):
            return
    pytest.fail(f"{job.name} never was {state} {reason}")


def states_of(events: list[Event]) -> list[str]:
    states = [event.body["state"] for event in events if event.kind is EventKind.STATE]
    return [state for i, state in enumerate(states) if i == 0 or state != states[i - 1]]


def worker_of(job: Job) -> psutil.Process:
    identity = rundir.read_shim(Path(job.run_dir))
    assert identity is not None
    return psutil.Process(identity.pid).children()[0]


def planners(supervisor: Supervisor) -> list[psutil.Process]:
    if not supervisor.zygote_pid:
        return []
    children = psutil.Process(supervisor.zygote_pid).children()
    return [child for child in children if _title(child) == "finetuned planner"]


def _title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline()).strip()
    except psutil.NoSuchProcess:
        return ""
