"""A machine's NVML: what pynvml says, without a card. Errors and constants are pynvml's own."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pynvml

GIB = 2**30
WHOLE_CARD = 0xFFFFFFFF


@dataclass(kw_only=True, eq=False)
class FakePart:
    """A MIG instance."""

    uuid: str
    instance: int
    name: str = "NVIDIA H100 80GB HBM3 MIG 1g.10gb"
    total: int = 10 * GIB
    reserved: int = 0
    used: int = 0
    compute: dict[int, int | None] = field(default_factory=dict)
    graphics: dict[int, int | None] = field(default_factory=dict)


@dataclass(kw_only=True, eq=False)
class FakeCard:
    """A card; change it while it is in use."""

    uuid: str
    bus: int = 1
    name: str = "NVIDIA H100 80GB HBM3"
    total: int = 80 * GIB
    reserved: int = GIB
    used: int = 0
    compute: dict[int, int | None] = field(default_factory=dict)
    """Bytes of each process; None: the driver does not say."""
    graphics: dict[int, int | None] = field(default_factory=dict)
    parts: list[FakePart] | None = None
    """None: MIG is off. One may be taken away."""
    affinity: int = 2**64 - 1
    utilization: int = 0
    temperature: int = 35
    millijoules: int = 1_000_000
    uncorrected: int = 0
    remapped: tuple[int, int, int, int] = (0, 0, 0, 0)
    pages_pending: int = 0
    events: list[tuple[int, int]] = field(default_factory=list)
    """XIDs that wait to be heard, each with its GPU instance."""
    mute: set[str] = field(default_factory=set)
    """Functions that this card does not support."""
    error: int = 0
    """What each question is answered with; 0: it is well."""


class FakeNvml:
    """Stands for the module pynvml."""

    def __init__(self, *cards: FakeCard, init_error: int = 0) -> None:
        self.cards = list(cards)
        self.is_open = False
        self._init_error = init_error

    def __getattr__(self, name: str) -> Any:
        if name.startswith(("NVML", "nvmlEventType", "nvmlMemory_v")):
            return getattr(pynvml, name)
        raise AttributeError(f"the fake has no {name}")

    def nvmlInit(self) -> None:
        if self._init_error:
            raise pynvml.NVMLError(self._init_error)
        self.is_open = True

    def nvmlShutdown(self) -> None:
        self._require_open()
        self.is_open = False

    def nvmlDeviceGetCount(self) -> int:
        self._require_open()
        return len(self.cards)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> FakeCard:
        self._require_open()
        return self._well(self.cards[index], "Handle")

    def nvmlDeviceGetPciInfo_v3(self, handle: FakeCard) -> Any:
        return SimpleNamespace(domain=0, bus=self._well(handle, "Pci").bus, device=0)

    def nvmlDeviceGetIndex(self, handle: FakeCard) -> int:
        card = self._well(handle, "Index")
        return next(index for index, each in enumerate(self.cards) if each is card)

    def nvmlDeviceGetUUID(self, handle: FakeCard | FakePart) -> str:
        return str(self._well(handle, "UUID").uuid)

    def nvmlDeviceGetName(self, handle: FakeCard | FakePart) -> str:
        return str(self._well(handle, "Name").name)

    def nvmlDeviceGetCpuAffinity(self, handle: FakeCard, cpuSetSize: int) -> Sequence[int]:
        affinity = self._well(handle, "Affinity").affinity
        return [affinity >> (64 * word) & (2**64 - 1) for word in range(cpuSetSize)]

    def nvmlDeviceGetMigMode(self, device: FakeCard) -> list[int]:
        self._well(device, "Mig")
        mode = int(device.parts is not None)
        return [mode, mode]

    def nvmlDeviceGetMaxMigDeviceCount(self, device: FakeCard) -> int:
        self._well(device, "Mig")
        return 7

    def nvmlDeviceGetMigDeviceHandleByIndex(self, device: FakeCard, index: int) -> FakePart:
        parts = self._well(device, "Mig").parts or []
        if index >= len(parts):
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)
        return parts[index]  # type: ignore[no-any-return]

    def nvmlDeviceGetGpuInstanceId(self, device: FakePart) -> int:
        return int(self._well(device, "Mig").instance)

    def nvmlDeviceGetMemoryInfo(self, handle: FakeCard | FakePart, version: Any = None) -> Any:
        one = self._well(handle, "Memory_v2" if version else "Memory")
        if version:
            assert version == pynvml.nvmlMemory_v2
            free = one.total - one.reserved - one.used
            return SimpleNamespace(total=one.total, reserved=one.reserved, used=one.used, free=free)
        used = one.used + one.reserved
        return SimpleNamespace(total=one.total, used=used, free=one.total - used)

    def nvmlDeviceGetComputeRunningProcesses_v3(self, handle: FakeCard | FakePart) -> list[Any]:
        return _running(self._well(handle, "Processes").compute)

    def nvmlDeviceGetGraphicsRunningProcesses_v3(self, handle: FakeCard | FakePart) -> list[Any]:
        return _running(self._well(handle, "Processes").graphics)

    def nvmlDeviceGetUtilizationRates(self, handle: FakeCard | FakePart) -> Any:
        return SimpleNamespace(gpu=self._whole(handle, "Utilization").utilization, memory=0)

    def nvmlDeviceGetTemperatureV(
        self, handle: FakeCard | FakePart, sensor: int, version: int = pynvml.nvmlTemperature_v1
    ) -> int:
        assert sensor == pynvml.NVML_TEMPERATURE_GPU
        return int(self._whole(handle, "Temperature").temperature)

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: FakeCard | FakePart) -> int:
        return int(self._whole(handle, "Energy").millijoules)

    def nvmlDeviceGetTotalEccErrors(
        self, handle: FakeCard | FakePart, errorType: int, counterType: int
    ) -> int:
        assert errorType == pynvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED
        assert counterType == pynvml.NVML_VOLATILE_ECC
        return int(self._whole(handle, "Ecc").uncorrected)

    def nvmlDeviceGetRemappedRows(self, device: FakeCard | FakePart) -> tuple[int, ...]:
        remapped: tuple[int, ...] = self._whole(device, "Rows").remapped
        return remapped

    def nvmlDeviceGetRetiredPagesPendingStatus(self, device: FakeCard | FakePart) -> int:
        return int(self._whole(device, "Pages").pages_pending)

    def nvmlDeviceGetSupportedEventTypes(self, handle: FakeCard) -> int:
        self._well(handle, "Events")
        return pynvml.nvmlEventTypeXidCriticalError | pynvml.nvmlEventTypeClock

    def nvmlEventSetCreate(self) -> list[FakeCard]:
        self._require_open()
        return []

    def nvmlDeviceRegisterEvents(
        self, handle: FakeCard, eventTypes: int, eventSet: list[FakeCard]
    ) -> None:
        assert eventTypes == pynvml.nvmlEventTypeXidCriticalError
        eventSet.append(self._whole(handle, "Events"))

    def nvmlEventSetWait_v2(self, eventSet: list[FakeCard], timeoutms: int) -> Any:
        assert timeoutms == 0, "a look must not wait for errors"
        self._require_open()
        for card in eventSet:
            self._well(card, "Wait")
            if card.events:
                xid, instance = card.events.pop(0)
                return SimpleNamespace(device=card, eventData=xid, gpuInstanceId=instance)
        raise pynvml.NVMLError(pynvml.NVML_ERROR_TIMEOUT)

    def nvmlEventSetFree(self, eventSet: list[FakeCard]) -> None:
        self._require_open()
        eventSet.clear()

    def _whole(self, handle: FakeCard | FakePart, question: str) -> Any:
        """Return a card; a MIG instance has none of its figures."""
        if isinstance(handle, FakePart):
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
        return self._well(handle, question)

    def _well(self, handle: FakeCard | FakePart, question: str) -> Any:
        self._require_open()
        owners = [c for c in self.cards if c is handle or handle in (c.parts or [])]
        if not owners:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)
        (card,) = owners
        if question in card.mute:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
        if card.error:
            raise pynvml.NVMLError(card.error)
        return handle

    def _require_open(self) -> None:
        if not self.is_open:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_UNINITIALIZED)


def _running(processes: dict[int, int | None]) -> list[Any]:
    return [SimpleNamespace(pid=pid, usedGpuMemory=size) for pid, size in processes.items()]
