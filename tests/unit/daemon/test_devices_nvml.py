"""NVIDIA devices: one contract for the fake and for real cards, then what only a fake can show."""

import contextlib
import inspect
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pynvml
import pytest
from structlog.testing import capture_logs

from ftd.devices import nvml
from ftd.devices.cpu import usable_cores
from ftd.devices.model import DeviceKind, Usage
from ftd.devices.nvml import NoCards, NvidiaInventory
from tests.fakes.machines import (
    FIRST,
    FOURTH,
    SECOND,
    THIRD,
    four_cards,
    handles,
    one_card,
    reticent,
    with_mig,
)
from tests.fakes.nvml import GIB, FakeCard, FakeNvml

_HOLD_ON_CARD = """
import sys, torch
held = torch.empty(int(sys.argv[2]), dtype=torch.uint8, device="cuda")
torch.cuda.synchronize()
print("holds", flush=True)
sys.stdin.readline()
"""


@dataclass
class Machine:
    """NVML on some machine."""

    module: Any
    opened: list[NvidiaInventory] = field(default_factory=list)

    def open(self) -> NvidiaInventory:
        inventory = nvml.open_cards(self.module)
        self.opened.append(inventory)
        return inventory

    @contextlib.contextmanager
    def holding(self, uuid: str, size_bytes: int) -> Iterator[int]:
        """Have a process hold memory of a device inside the block; yield its pid."""
        if self.module is not pynvml:
            card = next(each for each in handles(self.module) if each.uuid == uuid)
            card.used += size_bytes
            card.compute[os.getpid()] = size_bytes
            yield os.getpid()
            return
        with subprocess.Popen(
            [sys.executable, "-c", _HOLD_ON_CARD, uuid, str(size_bytes)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "CUDA_VISIBLE_DEVICES": uuid},
        ) as process:
            assert process.stdout
            assert process.stdout.readline() == "holds\n"
            yield process.pid
            process.communicate("\n")


@pytest.fixture(
    params=[
        pytest.param(one_card, id="one"),
        pytest.param(four_cards, id="four"),
        pytest.param(with_mig, id="mig"),
        pytest.param(reticent, id="reticent"),
        pytest.param(nvml.load, id="real", marks=pytest.mark.gpu),
    ]
)
def machine(request: pytest.FixtureRequest) -> Iterator[Machine]:
    machine = Machine(request.param())
    yield machine
    for inventory in machine.opened:
        inventory.close()


# --- the contract -----------------------------------------------------------------------------


def test_each_device_is_told_apart_and_says_what_it_is(machine: Machine) -> None:
    devices = machine.open().devices

    assert devices
    assert len({device.id for device in devices}) == len(devices)
    for device in devices:
        assert device.kind in (DeviceKind.GPU, DeviceKind.MIG)
        assert device.id.startswith(f"{device.kind.value}-")
        assert device.uuid.startswith("MIG-" if device.kind is DeviceKind.MIG else "GPU-")
        assert device.name
        assert device.memory_bytes >= GIB
        assert set(device.cores) <= set(usable_cores())
        assert device.cpus > 0


def test_the_devices_are_the_same_when_opened_again(machine: Machine) -> None:
    inventory = machine.open()
    before = inventory.devices
    inventory.close()
    machine.opened.clear()

    assert machine.open().devices == before


def test_a_sample_knows_each_device_and_stays_within_its_bounds(machine: Machine) -> None:
    inventory = machine.open()

    samples = inventory.sample()

    assert list(samples) == [device.id for device in inventory.devices]
    for device in inventory.devices:
        sample = samples[device.id]
        assert sample.fault == ""
        assert sample.memory_used_bytes is None or (
            0 <= sample.memory_used_bytes <= device.memory_bytes
        )
        assert sample.utilization is None or 0 <= sample.utilization <= 1
        assert sample.temperature_celsius is None or 0 < sample.temperature_celsius < 120
        assert sample.energy_joules is None or sample.energy_joules > 0
        assert sample.xid_errors == {}


def test_memory_in_use_is_seen_and_its_process_where_the_driver_names_it(machine: Machine) -> None:
    inventory = machine.open()
    device = inventory.devices[0]
    before = inventory.sample()[device.id]

    with machine.holding(device.uuid, GIB) as pid:
        during = inventory.sample()[device.id]

    assert during.memory_used_bytes is not None
    assert before.memory_used_bytes is not None
    assert during.memory_used_bytes - before.memory_used_bytes >= GIB
    held = {usage.pid: usage for usage in during.processes}
    if pid in held:
        assert held[pid].memory_bytes >= GIB
        assert held[pid].name


def test_a_worker_is_told_the_uuids_in_the_order_of_its_devices(machine: Machine) -> None:
    inventory = machine.open()
    chosen = [device.id for device in reversed(inventory.devices)]

    environment = inventory.environment(chosen)

    assert environment == {
        "CUDA_VISIBLE_DEVICES": ",".join(device.uuid for device in reversed(inventory.devices)),
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
    }


def test_the_fake_has_the_signatures_of_the_real_binding() -> None:
    names = [name for name in vars(FakeNvml) if name.startswith("nvml")]

    assert len(names) > 20
    for name in names:
        fake = list(inspect.signature(getattr(FakeNvml, name)).parameters)[1:]
        assert fake == list(inspect.signature(getattr(pynvml, name)).parameters), name


# --- which devices there are ------------------------------------------------------------------


def test_cards_stand_in_the_order_of_the_bus_not_of_their_numbers() -> None:
    devices = nvml.open_cards(four_cards()).devices

    assert [device.uuid for device in devices] == [FIRST, SECOND, THIRD, FOURTH]
    assert [device.id for device in devices] == [
        "gpu-3f2a9c1d", "gpu-90b1c2d3", "gpu-aaaa0000", "gpu-bbbb0000",
    ]  # fmt: skip


def test_ids_that_would_be_the_same_are_longer() -> None:
    twin = "GPU-3f2a9c1d-1177-2222-3333-444455556666"
    fake = FakeNvml(FakeCard(uuid=FIRST, bus=1), FakeCard(uuid=twin, bus=2))

    ids = [device.id for device in nvml.open_cards(fake).devices]

    assert ids == ["gpu-3f2a9c1d-111", "gpu-3f2a9c1d-117"]


def test_instances_of_an_older_driver_have_ids_without_slashes() -> None:
    uuids = [f"MIG-{FIRST}/{instance}/0" for instance in (7, 11)]

    ids = nvml.short_ids(uuids)

    assert [ids[uuid] for uuid in uuids] == [
        "mig-3f2a9c1d-1111-2222-3333-444455556666-7", "mig-3f2a9c1d-1111-2222-3333-444455556666-1",
    ]  # fmt: skip


def test_a_card_with_mig_is_replaced_by_its_instances() -> None:
    devices = nvml.open_cards(with_mig()).devices

    assert [(device.id, device.kind, device.memory_bytes // GIB) for device in devices] == [
        ("mig-c0ffee00", DeviceKind.MIG, 10),
        ("mig-decade00", DeviceKind.MIG, 40),
        ("gpu-90b1c2d3", DeviceKind.GPU, 79),
    ]


def test_a_device_knows_its_number_among_nvidias_tools() -> None:
    numbers = [device.number for device in nvml.open_cards(with_mig()).devices]

    assert numbers == ["0.7", "0.0", "1"]


def test_memory_that_the_driver_keeps_for_itself_is_not_offered() -> None:
    (device,) = nvml.open_cards(one_card()).devices

    assert device.memory_bytes == 79 * GIB


def test_a_device_has_the_cores_on_its_side_of_the_machine() -> None:
    first = usable_cores()[0]
    near, far = FakeCard(uuid=FIRST, affinity=1 << first), FakeCard(uuid=SECOND, affinity=0)

    devices = nvml.open_cards(FakeNvml(near, far)).devices

    assert [device.cores for device in devices] == [(first,), usable_cores()]


@pytest.mark.parametrize(
    ("fake", "message", "is_strange"),
    [
        (
            FakeNvml(init_error=pynvml.NVML_ERROR_LIBRARY_NOT_FOUND),
            "no NVIDIA driver answers (NVML Shared Library Not Found)",
            False,
        ),
        (
            FakeNvml(init_error=pynvml.NVML_ERROR_DRIVER_NOT_LOADED),
            "no NVIDIA driver answers (Driver Not Loaded)",
            False,
        ),
        (
            FakeNvml(init_error=pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH),
            "no NVIDIA driver answers (RM has detected an NVML/RM version mismatch.)",
            True,
        ),
        (FakeNvml(), "the NVIDIA driver has no card that can be used", True),
        (
            FakeNvml(FakeCard(uuid=FIRST, parts=[])),
            "the NVIDIA driver has no card that can be used",
            True,
        ),
    ],
    ids=["no library", "no driver", "half updated", "no card", "mig without instances"],
)
def test_a_machine_without_cards_says_why(
    fake: FakeNvml, message: str, *, is_strange: bool
) -> None:
    with pytest.raises(NoCards) as caught:
        nvml.open_cards(fake)

    assert (str(caught.value), caught.value.is_strange) == (message, is_strange)
    assert not fake.is_open


def test_a_card_that_does_not_say_who_it_is_is_left_out_and_logged() -> None:
    lost = FakeCard(uuid=FIRST, error=pynvml.NVML_ERROR_GPU_IS_LOST)

    with capture_logs() as logs:
        devices = nvml.open_cards(FakeNvml(lost, FakeCard(uuid=SECOND))).devices

    assert [device.uuid for device in devices] == [SECOND]
    assert [(log["event"], log["reason"]) for log in logs] == [
        ("nvidia_card_unreadable", "GPU is lost")
    ]


# --- what they say ----------------------------------------------------------------------------


def test_a_sample_holds_what_the_card_says() -> None:
    card = FakeCard(uuid=FIRST, utilization=42, temperature=61, millijoules=1_234_500, used=7 * GIB)
    card.compute = {os.getpid(): 3 * GIB, 1: 2 * GIB}
    card.graphics = {1: 2 * GIB, 999_999_999: GIB}

    sample = nvml.open_cards(FakeNvml(card)).sample()["gpu-3f2a9c1d"]

    assert (sample.utilization, sample.temperature_celsius, sample.energy_joules) == (
        0.42, 61.0, 1234.5,
    )  # fmt: skip
    assert sample.memory_used_bytes == 7 * GIB
    assert [(usage.pid, usage.memory_bytes, bool(usage.name)) for usage in sample.processes] == [
        (1, 2 * GIB, True), (os.getpid(), 3 * GIB, True), (999_999_999, GIB, False),
    ]  # fmt: skip


def test_a_process_whose_memory_is_not_told_holds_none() -> None:
    card = FakeCard(uuid=FIRST, compute={999_999_999: None})

    sample = nvml.open_cards(FakeNvml(card)).sample()["gpu-3f2a9c1d"]

    assert sample.processes == (Usage(pid=999_999_999, memory_bytes=0),)


def test_a_card_that_supports_little_is_well() -> None:
    sample = nvml.open_cards(reticent()).sample()["gpu-3f2a9c1d"]

    assert sample.fault == ""
    assert sample.memory_used_bytes == GIB  # it counts the driver's own
    assert (sample.utilization, sample.temperature_celsius, sample.energy_joules) == (None,) * 3


def test_a_card_that_shares_the_machines_memory_has_as_much() -> None:
    fake = FakeNvml(FakeCard(uuid=FIRST, mute={"Memory", "Memory_v2"}))

    inventory = nvml.open_cards(fake)

    assert inventory.devices[0].memory_bytes > 0
    assert inventory.sample()["gpu-3f2a9c1d"].memory_used_bytes is None


def test_an_instance_has_its_own_memory_and_the_thermometer_of_its_card() -> None:
    fake = with_mig()
    handles(fake)[0].used = GIB
    fake.cards[0].temperature = 77

    sample = nvml.open_cards(fake).sample()["mig-c0ffee00"]

    assert (sample.memory_used_bytes, sample.temperature_celsius) == (GIB, 77.0)
    assert (sample.utilization, sample.energy_joules) == (None, None)
