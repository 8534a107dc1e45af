"""NVIDIA cards and MIG instances, by UUID: an index may change with a reboot."""

import importlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from ftd.devices import card
from ftd.devices.card import Card
from ftd.devices.card import Nvml as Nvml
from ftd.devices.cpu import usable_cores
from ftd.devices.model import Device, DeviceId, DeviceKind, Sample

log = structlog.get_logger()

_ID_CHARACTERS = 8
_WORD_BITS = 64


class NoCards(Exception):
    """The machine has no NVIDIA card that could be used; the message says why."""

    def __init__(self, message: str, *, is_strange: bool) -> None:
        super().__init__(message)
        self.is_strange = is_strange
        """There is something of NVIDIA's, but it does not work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A card or an instance, before it has an id."""

    uuid: str
    handle: Any
    card: Card
    name: str
    memory_bytes: int
    cores: tuple[int, ...]
    index: int
    """Of the card, until the next reboot."""
    instance: int | None = None
    """The GPU instance that a MIG device lies in."""

    def named(self, device_id: DeviceId) -> Device:
        """Return it as the daemon knows it."""
        return Device(
            id=device_id,
            uuid=self.uuid,
            kind=DeviceKind.GPU if self.instance is None else DeviceKind.MIG,
            name=self.name,
            memory_bytes=self.memory_bytes,
            cores=self.cores,
            number=f"{self.index}" if self.instance is None else f"{self.index}.{self.instance}",
        )


def load() -> Nvml:
    """Import the binding. It looks for the driver's library only when it is initialised."""
    return importlib.import_module("pynvml")


def open_cards(nvml: Nvml) -> "NvidiaInventory":
    """Find all cards and instances.

    Raises:
        NoCards: where there is no driver, or it has none.
    """
    try:
        nvml.nvmlInit()
        handles = _handles(nvml)
    except nvml.NVMLError as error:
        absent = (nvml.NVML_ERROR_LIBRARY_NOT_FOUND, nvml.NVML_ERROR_DRIVER_NOT_LOADED)
        raise NoCards(
            f"no NVIDIA driver answers ({error})", is_strange=error.value not in absent
        ) from error
    found = [each for handle in handles for each in _readable(nvml, handle)]
    if not found:
        nvml.nvmlShutdown()
        raise NoCards("the NVIDIA driver has no card that can be used", is_strange=True)
    return NvidiaInventory(nvml, found)


class NvidiaInventory:
    """The cards of an initialised NVML, in the order of the PCI bus."""

    def __init__(self, nvml: Nvml, found: Sequence[Found]) -> None:
        self._nvml = nvml
        self._cards = list({id(each.card): each.card for each in found}.values())
        ids = short_ids([each.uuid for each in found])
        self._found = {ids[each.uuid]: each for each in found}
        self._devices = tuple(each.named(id_) for id_, each in self._found.items())

    @property
    def devices(self) -> Sequence[Device]:
        """All of them, in the order of the PCI bus, instances in that of their card."""
        return self._devices

    def sample(self) -> Mapping[DeviceId, Sample]:
        """Look at each; one that does not answer has a fault and no figures."""
        deaf = {id(one): fault for one in self._cards for fault in self._listen(one)}
        return {
            device_id: self._sample(found, deaf.get(id(found.card), ""))
            for device_id, found in self._found.items()
        }

    def environment(self, ids: Sequence[DeviceId]) -> Mapping[str, str]:
        """Name the devices by UUID, so that what the worker calls 0 is the first of them."""
        uuids = ",".join(self._found[each].uuid for each in ids)
        return {"CUDA_VISIBLE_DEVICES": uuids, "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}

    def close(self) -> None:
        """Let go of the driver. One that no longer answers is left as it is."""
        try:
            for each in self._cards:
                each.close()
            self._nvml.nvmlShutdown()
        except self._nvml.NVMLError as error:
            log.warning("nvml_not_closed", reason=str(error))

    def _listen(self, one: Card) -> Iterator[str]:
        try:
            one.hear()
        except self._nvml.NVMLError as error:
            yield self._fault(error)

    def _sample(self, found: Found, fault: str) -> Sample:
        nvml, handle, xids = self._nvml, found.handle, found.card.xids(found.instance)
        if fault:
            return Sample(xid_errors=xids, fault=fault)
        try:
            used = card.used(nvml, handle)
            if used is None and found.instance is not None:
                return Sample(xid_errors=xids, fault="is gone: MIG was divided anew; restart ftd")
            return Sample(
                memory_used_bytes=used,
                processes=card.usages(nvml, handle),
                utilization=card.utilization(nvml, handle),
                # An instance has no thermometer of its own; of energy it can tell nothing.
                temperature_celsius=card.temperature(nvml, found.card.handle),
                energy_joules=card.energy(nvml, handle),
                xid_errors=xids,
                fault="; ".join(found.card.faults(found.instance)),
            )
        except nvml.NVMLError as error:
            return Sample(xid_errors=xids, fault=self._fault(error))

    def _fault(self, error: Any) -> str:
        if error.value == self._nvml.NVML_ERROR_GPU_IS_LOST:
            return "has fallen off the bus"
        return f"does not answer its driver ({error})"


def short_ids(uuids: Sequence[str]) -> Mapping[str, DeviceId]:
    """Return for each UUID a kind and its first characters, as many as tell all apart."""
    bare = {uuid: uuid.removeprefix("MIG-").removeprefix("GPU-") for uuid in uuids}
    most = max((len(text) for text in bare.values()), default=0)
    for length in range(_ID_CHARACTERS, most + 1):
        ids = {uuid: _id(uuid, text[:length]) for uuid, text in bare.items()}
        if len(set(ids.values())) == len(ids):
            return ids
    return {uuid: uuid.lower() for uuid in uuids}


def _id(uuid: str, text: str) -> DeviceId:
    kind = "mig" if uuid.startswith("MIG-") else "gpu"
    return f"{kind}-{text.replace('/', '-').rstrip('-').lower()}"


def _handles(nvml: Nvml) -> list[Any]:
    """Return the cards that can be placed, in the order of the PCI bus."""
    placed = []
    for index in range(nvml.nvmlDeviceGetCount()):
        try:
            handle = nvml.nvmlDeviceGetHandleByIndex(index)
            bus = nvml.nvmlDeviceGetPciInfo_v3(handle)
        except nvml.NVMLError as error:
            log.warning("nvidia_card_unreadable", number=index, reason=str(error))
            continue
        placed.append(((bus.domain, bus.bus, bus.device), handle))
    return [handle for _, handle in sorted(placed, key=lambda pair: pair[0])]


def _readable(nvml: Nvml, handle: Any) -> list[Found]:
    """Return a card, or its instances; nothing where it does not even say who it is."""
    try:
        return list(_parts(nvml, Card(nvml, handle)))
    except nvml.NVMLError as error:
        log.warning("nvidia_card_unreadable", reason=str(error))
        return []


def _parts(nvml: Nvml, one: Card) -> Iterator[Found]:
    """Yield a card, or its instances where MIG is on: CUDA cannot use it as a whole then."""
    mode = card.ask(nvml, nvml.nvmlDeviceGetMigMode, one.handle)
    if mode is None or mode[0] != nvml.NVML_DEVICE_MIG_ENABLE:
        yield _part(nvml, one, one.handle, None)
        return
    for index in range(nvml.nvmlDeviceGetMaxMigDeviceCount(one.handle)):
        handle = card.ask(nvml, nvml.nvmlDeviceGetMigDeviceHandleByIndex, one.handle, index)
        if handle is not None:
            yield _part(nvml, one, handle, nvml.nvmlDeviceGetGpuInstanceId(handle))


def _part(nvml: Nvml, one: Card, handle: Any, instance: int | None) -> Found:
    return Found(
        uuid=nvml.nvmlDeviceGetUUID(handle),
        handle=handle,
        card=one,
        name=nvml.nvmlDeviceGetName(handle),
        memory_bytes=card.capacity(nvml, handle),
        cores=_near_cores(nvml, one),
        index=nvml.nvmlDeviceGetIndex(one.handle),
        instance=instance,
    )


def _near_cores(nvml: Nvml, one: Card) -> tuple[int, ...]:
    """Return the cores on the card's side of the machine that this process may use."""
    cores = usable_cores()
    words = card.ask(nvml, nvml.nvmlDeviceGetCpuAffinity, one.handle, cores[-1] // _WORD_BITS + 1)
    near = tuple(c for c in cores if words and words[c // _WORD_BITS] >> (c % _WORD_BITS) & 1)
    return near or cores
