"""Keeps what is known of the devices fresh, beside the event loop and never in it."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from types import MappingProxyType

import structlog

from ftd.devices import ownthread
from ftd.devices.accounts import Statement
from ftd.devices.model import DeviceId, Inventory, JobMemory, Reading, Tenant
from ftd.devices.observer import Observer

log = structlog.get_logger()

INTERVAL_S = 5.0
# A driver whose card hangs can keep a caller for good.
PATIENCE_S = 10.0
# Less than this more or less decides about no job.
_NOTABLE_BYTES = 64 * 2**20


class Telemetry:
    """What the devices and the jobs' memory look like, at most a few seconds old."""

    def __init__(
        self,
        inventory: Inventory,
        tenants: Callable[[], Sequence[Tenant]],
        *,
        changed: Callable[[], None] = lambda: None,
        interval_s: float = INTERVAL_S,
        patience_s: float = PATIENCE_S,
        house: int | None = None,
    ) -> None:
        """Watch an inventory and the jobs that `tenants` returns.

        `changed` is called in the event loop when a device fell ill or recovered, and when
        others took or gave back memory: which jobs can start may be another question now. The
        process `house` and its descendants, this process by default, are never foreign.
        """
        self._tenants, self._changed = tenants, changed
        self._interval_s, self._patience_s = interval_s, patience_s
        self._observer = Observer(inventory, house=house)
        self._readings: Mapping[DeviceId, Reading] = {
            device.id: Reading() for device in inventory.devices
        }
        self._jobs: Mapping[str, JobMemory] = {}
        self._told = dict.fromkeys(self._readings, 0)
        self._failure = ""
        self._lock, self._begun = asyncio.Lock(), 0
        self._looking: asyncio.Future[Statement] | None = None

    @property
    def readings(self) -> Mapping[DeviceId, Reading]:
        """What is known of each device, those never looked at included."""
        return MappingProxyType(self._readings)

    @property
    def jobs(self) -> Mapping[str, JobMemory]:
        """The memory of each job that ran at the last look, by id."""
        return MappingProxyType(self._jobs)

    @property
    def is_looking(self) -> bool:
        """Whether a look is under way, or hangs in the driver."""
        return self._looking is not None and not self._looking.done()

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(self._interval_s)

    async def look(self) -> None:
        """Return after a look that began after this call, or that failed. Never raises."""
        wanted = self._begun + 1
        async with self._lock:
            if self._begun < wanted:  # else one began while this call waited
                self._begun += 1
                await self._look()

    async def _look(self) -> None:
        looking = self._begin()
        await asyncio.wait({looking}, timeout=self._patience_s)
        if not looking.done():
            self._fail(f"the driver has not answered for {self._patience_s:g} s")
        elif error := looking.exception():
            self._fail(f"{type(error).__name__}: {error}", error)
        else:
            self._take(looking.result())

    def _begin(self) -> "asyncio.Future[Statement]":
        """Start a look, but where an earlier one hangs wait on for that."""
        if self._looking is None or self._looking.done():
            look = partial(self._observer.look, tuple(self._tenants()), self._readings)
            self._looking = ownthread.begun(look, name="devices")
        return self._looking

    def _take(self, statement: Statement) -> None:
        if self._failure:
            log.info("devices_answer_again")
            self._failure = ""
        earlier = self._jobs
        self._jobs = {
            job_id: JobMemory(
                used_bytes=used,
                peak_bytes=max(used, earlier[job_id].peak_bytes if job_id in earlier else 0),
            )
            for job_id, used in statement.jobs.items()
        }
        self._publish(statement.readings)

    def _fail(self, reason: str, error: BaseException | None = None) -> None:
        if reason != self._failure:
            log.error("devices_unreadable", reason=reason, exc_info=error)
            self._failure = reason
        fault = f"cannot be read: {reason}"
        self._publish(
            {
                device_id: replace(reading, sample=replace(reading.sample, fault=fault))
                for device_id, reading in self._readings.items()
            }
        )

    def _publish(self, readings: Mapping[DeviceId, Reading]) -> None:
        earlier, self._readings = self._readings, readings
        ill = [self._has_turned(each, earlier[each], now) for each, now in readings.items()]
        moved = [self._has_moved(each, now) for each, now in readings.items()]
        if any(ill) or any(moved):
            self._changed()

    def _has_turned(self, device_id: DeviceId, before: Reading, now: Reading) -> bool:
        if before.sample.fault == now.sample.fault:
            return False
        if now.sample.fault:
            log.warning("device_unhealthy", device=device_id, fault=now.sample.fault)
        else:
            log.info("device_well", device=device_id)
        return True

    def _has_moved(self, device_id: DeviceId, now: Reading) -> bool:
        """Say whether others hold notably more or less than when this was last true."""
        if abs(now.memory_foreign_bytes - self._told[device_id]) < _NOTABLE_BYTES:
            return False
        self._told[device_id] = now.memory_foreign_bytes
        return True
