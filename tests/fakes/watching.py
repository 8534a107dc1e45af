"""A telemetry under test, and devices that hang, fail or answer."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ftd.devices import nvml
from ftd.devices.model import Device, DeviceId, Inventory, Sample, Tenant
from ftd.devices.simulated import SimulatedInventory
from ftd.devices.telemetry import Telemetry
from tests.fakes.nvml import GIB, FakeCard, FakeNvml

GPU = "gpu-3f2a9c1d"


@dataclass
class Watched:
    """A telemetry, with the jobs that it is told of and the calls that it made."""

    inventory: Inventory
    patience_s: float = 60.0
    house: int | None = None
    tenants: list[Tenant] = field(default_factory=list)
    calls: int = 0

    def __post_init__(self) -> None:
        self.telemetry = Telemetry(
            self.inventory,
            lambda: self.tenants,
            changed=self._count,
            interval_s=0.001,
            patience_s=self.patience_s,
            house=self.house,
        )

    def _count(self) -> None:
        self.calls += 1

    def faults(self) -> dict[DeviceId, str]:
        return {each: now.sample.fault for each, now in self.telemetry.readings.items()}


class Balky:
    """Simulated devices that can be made to hang or to fail."""

    def __init__(self) -> None:
        self._inner = SimulatedInventory(2, GIB)
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.samples = 0
        self.error: Exception | None = None

    @property
    def devices(self) -> Sequence[Device]:
        return self._inner.devices

    def sample(self) -> Mapping[DeviceId, Sample]:
        self.samples += 1
        self.may_answer.wait(60)
        if self.error:
            raise self.error
        return self._inner.sample()

    def environment(self, ids: Sequence[DeviceId]) -> Mapping[str, str]:
        return self._inner.environment(ids)

    def close(self) -> None:
        self.may_answer.set()


@contextlib.asynccontextmanager
async def running(telemetry: Telemetry) -> AsyncIterator[None]:
    task = asyncio.create_task(telemetry.run(), name="telemetry")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()


def card(card: FakeCard) -> Inventory:
    return nvml.open_cards(FakeNvml(card))


def h100() -> FakeCard:
    return FakeCard(uuid="GPU-3f2a9c1d-1111-2222-3333-444455556666")


def pss_bytes(pids: Sequence[int]) -> int:
    """Return the kernel's figure, added up mapping by mapping."""
    lines = [line for pid in pids for line in Path(f"/proc/{pid}/smaps").read_text().splitlines()]
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024


def child_of(pid: int) -> int:
    (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(child)
