"""One NVIDIA card or MIG instance: asks NVML what it says of itself."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from ftd.devices import memory, processes
from ftd.devices.model import Usage

Nvml = Any
"""The module pynvml, or what behaves like it. It has no types of its own."""

# NVIDIA's catalogue: these ask for a reset of the card or a replacement; all others are an
# application's, or healed by the driver.
CRITICAL_XIDS = frozenset({48, 62, 64, 74, 79, 95, 119, 120})

# The card, its driver or our rights do not give this figure; the card is well all the same.
_CANNOT_TELL = (
    "INVALID_ARGUMENT", "NOT_SUPPORTED", "NO_PERMISSION", "NOT_FOUND", "INSUFFICIENT_SIZE",
    "FUNCTION_NOT_FOUND", "NO_DATA", "VGPU_ECC_NOT_SUPPORTED", "ARGUMENT_VERSION_MISMATCH",
    "DEPRECATED", "NOT_READY",
)  # fmt: skip
_EVERY_INSTANCE = 0xFFFFFFFF
_MOST_EVENTS = 256


class Card:
    """A physical card: its health, and the errors that it reported since it was opened."""

    def __init__(self, nvml: Nvml, handle: Any) -> None:
        self._nvml = nvml
        self.handle = handle
        self._xids: Counter[tuple[int, int]] = Counter()
        self._events = ask(nvml, self._subscribe)

    def hear(self) -> None:
        """Count the errors that were reported since the last call. Does not wait for any.

        Raises:
            NVMLError: where the card no longer answers.
        """
        # Bounded: a card that reports without end must not hold the others up.
        for _ in range(_MOST_EVENTS if self._events is not None else 0):
            try:
                event = self._nvml.nvmlEventSetWait_v2(self._events, 0)
            except self._nvml.NVMLError as error:
                if error.value == self._nvml.NVML_ERROR_TIMEOUT:
                    return
                raise
            self._xids[event.eventData, event.gpuInstanceId] += 1

    def xids(self, instance: int | None = None) -> Counter[int]:
        """Return the count of each error of the card, or of one MIG instance of it."""
        found: Counter[int] = Counter()
        for (xid, where), count in self._xids.items():
            if instance is None or where in (instance, _EVERY_INSTANCE):
                found[xid] += count
        return found

    def faults(self, instance: int | None = None) -> list[str]:
        """Say what keeps the card from taking jobs: errors that only a reset can clear."""
        critical = sorted(CRITICAL_XIDS & self.xids(instance).keys())
        named = [f"reported XID {xid}; takes jobs once ftd is restarted" for xid in critical]
        return [*named, *self._memory_faults()]

    def close(self) -> None:
        """Stop listening for errors."""
        if self._events is not None:
            ask(self._nvml, self._nvml.nvmlEventSetFree, self._events)

    def _subscribe(self) -> Any:
        kind = self._nvml.nvmlEventTypeXidCriticalError
        if not self._nvml.nvmlDeviceGetSupportedEventTypes(self.handle) & kind:
            return None
        events = self._nvml.nvmlEventSetCreate()
        self._nvml.nvmlDeviceRegisterEvents(self.handle, kind, events)
        return events

    def _memory_faults(self) -> list[str]:
        nvml, found = self._nvml, []
        uncorrected = ask(
            nvml,
            nvml.nvmlDeviceGetTotalEccErrors,
            self.handle,
            nvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED,
            nvml.NVML_VOLATILE_ECC,
        )
        if uncorrected:
            found.append(f"had uncorrectable memory errors (ECC: {uncorrected}); reset it")
        rows = ask(nvml, nvml.nvmlDeviceGetRemappedRows, self.handle)
        if rows and rows[3]:
            found.append("could not remap a broken row of its memory; replace it")
        elif rows and rows[2]:
            found.append("has to remap a broken row of its memory; reset it")
        if ask(nvml, nvml.nvmlDeviceGetRetiredPagesPendingStatus, self.handle):
            found.append("has to retire a broken page of its memory; reset it")
        return found


def ask(nvml: Nvml, call: Callable[..., Any], *arguments: Any) -> Any:
    """Return NVML's answer, or None where it cannot tell.

    Raises:
        NVMLError: where the card itself is ill.
    """
    try:
        return call(*arguments)
    except nvml.NVMLError as error:
        if error.value in {getattr(nvml, f"NVML_ERROR_{name}") for name in _CANNOT_TELL}:
            return None
        raise


def capacity(nvml: Nvml, handle: Any) -> int:
    """Return the bytes that jobs may use: what the driver keeps for itself is left out."""
    answer = _memory(nvml, handle)
    if answer is None:
        return memory.look().total_bytes  # a card that shares the machine's
    return int(answer.total) - int(getattr(answer, "reserved", 0))


def used(nvml: Nvml, handle: Any) -> int | None:
    """Return the bytes in use by anybody."""
    answer = _memory(nvml, handle)
    return None if answer is None else int(answer.used)


def usages(nvml: Nvml, handle: Any) -> tuple[Usage, ...]:
    """Return the processes that hold memory of it, to compute or to draw, by pid."""
    held: dict[int, int] = {}
    for call in (
        nvml.nvmlDeviceGetComputeRunningProcesses_v3,
        nvml.nvmlDeviceGetGraphicsRunningProcesses_v3,
    ):
        for process in ask(nvml, call, handle) or ():
            # One that computes and draws is in both lists with the same figure.
            held[process.pid] = max(held.get(process.pid, 0), process.usedGpuMemory or 0)
    return tuple(
        Usage(pid=pid, memory_bytes=size, name=processes.name(pid))
        for pid, size in sorted(held.items())
    )


def utilization(nvml: Nvml, handle: Any) -> float | None:
    """Return the share of the last moments in which it worked, 0 to 1."""
    rates = ask(nvml, nvml.nvmlDeviceGetUtilizationRates, handle)
    return None if rates is None else rates.gpu / 100


def temperature(nvml: Nvml, handle: Any) -> float | None:
    """Return degrees Celsius."""
    degrees = ask(nvml, nvml.nvmlDeviceGetTemperatureV, handle, nvml.NVML_TEMPERATURE_GPU)
    return None if degrees is None else float(degrees)


def energy(nvml: Nvml, handle: Any) -> float | None:
    """Return joules since the driver was loaded."""
    millijoules = ask(nvml, nvml.nvmlDeviceGetTotalEnergyConsumption, handle)
    return None if millijoules is None else millijoules / 1000


def _memory(nvml: Nvml, handle: Any) -> Any:
    answer = ask(nvml, nvml.nvmlDeviceGetMemoryInfo, handle, nvml.nvmlMemory_v2)
    if answer is None:
        answer = ask(nvml, nvml.nvmlDeviceGetMemoryInfo, handle)
    return answer
