"""Looks at devices and processes, in a thread: it reads files and asks drivers."""

import os
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from ftd.devices import memory, processes
from ftd.devices.accounts import MOST_FOREIGN, Census, Moment, Statement, settle
from ftd.devices.footprints import Footprints
from ftd.devices.memory import MachineMemory
from ftd.devices.model import DeviceId, DeviceKind, Inventory, Reading, Tenant

# While no job runs all processes are looked at this rarely: it costs 20 µs for each of them.
_IDLE_CENSUS_S = 60.0


class Observer:
    """Sees who holds how much of the devices. One look at a time."""

    def __init__(self, inventory: Inventory, *, house: int | None = None) -> None:
        """Take the process `house` and its descendants, this process by default, for our own."""
        self._inventory = inventory
        self._house = house or os.getpid()
        kinds = {device.kind for device in inventory.devices}
        self._has_processor = DeviceKind.CPU in kinds
        self._has_machine_memory = bool(kinds & {DeviceKind.CPU, DeviceKind.SIMULATED})
        self._census, self._counted_at = Census(), float("-inf")
        self._tenants: tuple[Tenant, ...] = ()
        self._footprints = Footprints()

    def look(self, tenants: Sequence[Tenant], before: Mapping[DeviceId, Reading]) -> Statement:
        """Return who holds how much now; `before` are the readings of the last time."""
        samples = self._inventory.sample()
        if self._needs_census(tenants):
            self._census, self._counted_at = self._count(tenants), time.monotonic()
            self._tenants = tuple(tenants)
        moment = Moment(
            time=datetime.now(UTC),
            samples=samples,
            tenants=tenants,
            census=self._census,
            machine=self._machine(),
        )
        return settle(moment, self._inventory.devices, before)

    def _needs_census(self, tenants: Sequence[Tenant]) -> bool:
        if tenants or tuple(tenants) != self._tenants:
            return True
        return self._has_processor and time.monotonic() - self._counted_at >= _IDLE_CENSUS_S

    def _count(self, tenants: Sequence[Tenant]) -> Census:
        table = processes.table()
        found = processes.trees([self._house, *(tenant.pid for tenant in tenants)], table)
        trees = {tenant.job_id: found[tenant.pid] for tenant in tenants}
        if not self._has_machine_memory:
            return Census(trees=trees)
        theirs = frozenset().union(*trees.values())
        house = found[self._house] - theirs if self._has_processor else frozenset()
        self._footprints.recall(theirs | house)
        footprints = {job: self._footprints.of(tree, table) for job, tree in trees.items()}
        if not self._has_processor:
            return Census(trees=trees, footprints=footprints)
        return Census(
            trees=trees,
            footprints=footprints,
            house=self._footprints.of(house, table),
            strangers=processes.largest(table, theirs | house, MOST_FOREIGN),
        )

    def _machine(self) -> MachineMemory:
        if self._has_processor:
            return memory.look()
        return MachineMemory(total_bytes=0, used_bytes=0)
