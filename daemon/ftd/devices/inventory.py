"""Opens the devices of this machine, as its configuration names them."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import structlog

from ftd.devices import nvml
from ftd.devices.cpu import CpuInventory, processors, usable_cores
from ftd.devices.model import Device as Device
from ftd.devices.model import Inventory
from ftd.devices.simulated import SimulatedInventory
from ftd.errors import BadConfig

log = structlog.get_logger()

_MOST_SIMULATED = 1024
_LEAST_SIMULATED_BYTES = 2**20
_POSSIBLE = (
    "possible are auto, nvidia, cpu, cpu:N for N devices with cores of their own, and "
    "sim:NxSIZE for simulated ones, such as sim:4x16GiB"
)
_UNITS = {
    "MiB": 2**20, "GiB": 2**30, "TiB": 2**40,
    "MB": 10**6, "GB": 10**9, "TB": 10**12,
}  # fmt: skip
_COUNTED = re.compile(r"cpu:(?P<count>[0-9]{1,9})")
_SIMULATED = re.compile(
    r"sim:(?P<count>[0-9]{1,9})x(?P<size>[0-9]{1,9}(\.[0-9]{1,9})?)(?P<unit>[MGT]i?B)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """Which devices the daemon is to own."""

    kind: Literal["auto", "nvidia", "cpu", "sim"]
    count: int = 1
    memory_bytes: int = 0
    """Of each simulated device."""


def parse(text: str) -> Spec:
    """Read `auto`, `nvidia`, `cpu`, `cpu:N` or `sim:NxSIZE`. Touches no driver.

    Raises:
        BadConfig: with what is possible.
    """
    match text:
        case "auto" | "nvidia" | "cpu":
            return Spec(kind=text)
    if counted := _COUNTED.fullmatch(text):
        return _counted(text, int(counted["count"]))
    if simulated := _SIMULATED.fullmatch(text):
        size = int(float(simulated["size"]) * _UNITS[simulated["unit"]])
        return _simulated(text, int(simulated["count"]), size)
    raise BadConfig(f"devices `{text}` is nothing known; {_POSSIBLE}")


def open_inventory(spec: str, *, load: Callable[[], nvml.Nvml] = nvml.load) -> Inventory:
    """Open the devices that a spec names; `load` brings NVML where it is needed.

    Raises:
        BadConfig: for a bad spec, or where the machine has no such devices.
    """
    wanted = parse(spec)
    match wanted.kind:
        case "sim":
            return SimulatedInventory(wanted.count, wanted.memory_bytes)
        case "cpu":
            return CpuInventory(wanted.count)
    try:
        return nvml.open_cards(load())
    except nvml.NoCards as error:
        if wanted.kind == "nvidia":
            raise BadConfig(
                f"devices `nvidia`: {error}; repair the driver, or choose auto or cpu"
            ) from error
        if error.is_strange:
            log.warning("nvidia_unusable", reason=str(error), used_instead="cpu")
        return CpuInventory()


def cpu() -> Device:
    """Return the processor as one device with all cores that this process may use."""
    return processors(1)[0]


def _counted(text: str, count: int) -> Spec:
    cores = len(usable_cores())
    if not 1 <= count <= cores:
        raise BadConfig(
            f"devices `{text}`: each needs a core of its own and this process may use {cores}; "
            f"choose from cpu:1 to cpu:{cores}"
        )
    return Spec(kind="cpu", count=count)


def _simulated(text: str, count: int, memory_bytes: int) -> Spec:
    if not 1 <= count <= _MOST_SIMULATED:
        raise BadConfig(f"devices `{text}`: choose from 1 to {_MOST_SIMULATED} simulated devices")
    if memory_bytes < _LEAST_SIMULATED_BYTES:
        raise BadConfig(f"devices `{text}`: a simulated device has at least 1MiB of memory")
    return Spec(kind="sim", count=count, memory_bytes=memory_bytes)
