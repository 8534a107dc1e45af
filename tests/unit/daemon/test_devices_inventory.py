"""What `--devices` may say, and which devices come of it."""

from collections.abc import Callable

import pynvml
import pytest
from structlog.testing import capture_logs

from ftd.devices import inventory, memory
from ftd.devices.cpu import usable_cores
from ftd.devices.inventory import Spec, open_inventory, parse
from ftd.devices.model import DeviceKind, Inventory, Sample
from ftd.errors import BadConfig
from tests.fakes.nvml import FakeCard, FakeNvml

GIB = 2**30
POSSIBLE = (
    "possible are auto, nvidia, cpu, cpu:N for N devices with cores of their own, and "
    "sim:NxSIZE for simulated ones, such as sim:4x16GiB"
)


def without_driver() -> FakeNvml:
    return FakeNvml(init_error=pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)


def half_updated() -> FakeNvml:
    return FakeNvml(init_error=pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH)


def with_cards() -> FakeNvml:
    return FakeNvml(FakeCard(uuid="GPU-3f2a9c1d-1111-2222-3333-444455556666"))


def untouched() -> FakeNvml:
    raise AssertionError("nobody asked for NVIDIA's devices")


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("auto", Spec(kind="auto")),
        ("nvidia", Spec(kind="nvidia")),
        ("cpu", Spec(kind="cpu")),
        ("cpu:1", Spec(kind="cpu", count=1)),
        ("sim:4x16GiB", Spec(kind="sim", count=4, memory_bytes=16 * GIB)),
        ("sim:1x1.5GiB", Spec(kind="sim", count=1, memory_bytes=1536 * 2**20)),
        ("sim:2x80GB", Spec(kind="sim", count=2, memory_bytes=80 * 10**9)),
        ("sim:1024x1MiB", Spec(kind="sim", count=1024, memory_bytes=2**20)),
    ],
)
def test_a_spec_is_read(text: str, spec: Spec) -> None:
    assert parse(text) == spec


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", f"devices `` is nothing known; {POSSIBLE}"),
        ("gpu", f"devices `gpu` is nothing known; {POSSIBLE}"),
        ("nvidia,cpu", f"devices `nvidia,cpu` is nothing known; {POSSIBLE}"),
        ("cpu:two", f"devices `cpu:two` is nothing known; {POSSIBLE}"),
        ("cpu:-1", f"devices `cpu:-1` is nothing known; {POSSIBLE}"),
        ("sim:4x16", f"devices `sim:4x16` is nothing known; {POSSIBLE}"),
        ("sim:16GiB", f"devices `sim:16GiB` is nothing known; {POSSIBLE}"),
        ("sim:0x1GiB", "devices `sim:0x1GiB`: choose from 1 to 1024 simulated devices"),
        ("sim:1025x1GiB", "devices `sim:1025x1GiB`: choose from 1 to 1024 simulated devices"),
        ("sim:1x0GiB", "devices `sim:1x0GiB`: a simulated device has at least 1MiB of memory"),
    ],
)
def test_a_bad_spec_says_what_is_possible(text: str, message: str) -> None:
    with pytest.raises(BadConfig) as caught:
        parse(text)

    assert str(caught.value) == message


@pytest.mark.parametrize("beyond", [-len(usable_cores()), 1])
def test_more_devices_than_cores_are_refused(beyond: int) -> None:
    cores = len(usable_cores())
    text = f"cpu:{cores + beyond}"

    with pytest.raises(BadConfig) as caught:
        parse(text)

    assert str(caught.value) == (
        f"devices `{text}`: each needs a core of its own and this process may use {cores}; "
        f"choose from cpu:1 to cpu:{cores}"
    )


def test_auto_takes_the_cards_where_there_are_some() -> None:
    opened = open_inventory("auto", load=with_cards)

    assert [device.id for device in opened.devices] == ["gpu-3f2a9c1d"]


def test_auto_takes_the_processor_where_there_is_no_driver() -> None:
    with capture_logs() as logs:
        opened = open_inventory("auto", load=without_driver)

    assert [device.id for device in opened.devices] == ["cpu"]
    assert logs == []


def test_auto_says_so_where_it_passes_over_a_broken_driver() -> None:
    with capture_logs() as logs:
        opened = open_inventory("auto", load=half_updated)

    assert [device.id for device in opened.devices] == ["cpu"]
    assert [(log["event"], log["log_level"], log["reason"]) for log in logs] == [
        (
            "nvidia_unusable",
            "warning",
            "no NVIDIA driver answers (RM has detected an NVML/RM version mismatch.)",
        )
    ]


@pytest.mark.parametrize(
    ("load", "why"),
    [
        (without_driver, "no NVIDIA driver answers (NVML Shared Library Not Found)"),
        (FakeNvml, "the NVIDIA driver has no card that can be used"),
    ],
)
def test_nvidia_is_refused_where_there_is_none(load: Callable[[], FakeNvml], why: str) -> None:
    with pytest.raises(BadConfig) as caught:
        open_inventory("nvidia", load=load)

    assert str(caught.value) == (
        f"devices `nvidia`: {why}; repair the driver, or choose auto or cpu"
    )


def test_the_real_binding_finds_cards_or_says_why_there_are_none() -> None:
    opened = open_inventory("auto")

    assert {device.kind for device in opened.devices} <= {
        DeviceKind.CPU, DeviceKind.GPU, DeviceKind.MIG,
    }  # fmt: skip
    opened.close()


def test_the_processor_is_one_device_with_all_cores() -> None:
    (device,) = open_inventory("cpu", load=untouched).devices

    assert (device.id, device.uuid, device.kind) == ("cpu", "cpu", DeviceKind.CPU)
    assert device.cores == usable_cores()
    assert device.memory_bytes == memory.look().total_bytes
    assert device.name
    assert inventory.cpu() == device


def test_several_processors_have_cores_of_their_own_and_equal_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _pid: {9, 2, 3, 5, 8})

    devices = open_inventory("cpu:2", load=untouched).devices

    assert [(device.id, device.cores) for device in devices] == [
        ("cpu0", (2, 3, 5)), ("cpu1", (8, 9)),
    ]  # fmt: skip
    half = memory.look().total_bytes // 2
    assert [device.memory_bytes for device in devices] == [half, half]


def test_simulated_devices_share_all_cores() -> None:
    devices = open_inventory("sim:3x16GiB", load=untouched).devices

    assert [device.id for device in devices] == ["sim0", "sim1", "sim2"]
    for device in devices:
        assert (device.kind, device.uuid) == (DeviceKind.SIMULATED, device.id)
        assert (device.memory_bytes, device.cores) == (16 * GIB, usable_cores())


@pytest.mark.parametrize("spec", ["cpu", "sim:2x1GiB"])
def test_a_worker_without_a_card_sees_none(spec: str) -> None:
    opened: Inventory = open_inventory(spec, load=untouched)

    environment = opened.environment([opened.devices[0].id])

    assert environment == {"CUDA_VISIBLE_DEVICES": ""}


def test_simulated_devices_are_well_and_say_no_more() -> None:
    opened = open_inventory("sim:2x1GiB", load=untouched)

    assert opened.sample() == {"sim0": Sample(), "sim1": Sample()}
    opened.close()


def test_the_processor_says_how_busy_its_cores_are() -> None:
    opened = open_inventory("cpu", load=untouched)
    sample = opened.sample()["cpu"]
    while sample.utilization is None:  # less than one tick of the kernel's has passed
        sample = opened.sample()["cpu"]

    assert 0 <= sample.utilization <= 1
    assert sample.fault == ""
    opened.close()
