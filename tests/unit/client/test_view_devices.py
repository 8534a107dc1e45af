"""Devices as a table and as JSON, and the bars of their memory."""

import io
import json

import pytest
from rich.cells import cell_len

from finetuned.v1 import device_pb2
from ftctl import devicewire
from ftctl.devices import DeviceKind, DeviceState
from ftctl.view import bars, console, devices, jsontext
from tests.fakes import fleet
from tests.fakes.fleet import GIB
from tests.fakes.views import drawn, terminal


def read(*messages):
    return [devicewire.device(message) for message in messages]


def shown(messages, width):
    standing = read(*messages)
    return drawn(devices.lines(standing, terminal(width)), width)


def bar(columns=10, **memory):
    [device] = read(fleet.device(0, memory_total_bytes=100 * GIB, **memory))
    return bars.memory(device, columns).plain


def test_the_table_of_a_narrow_terminal_names_jobs_below():
    assert shown(fleet.devices(), 80) == (
        " device        name  state      memory                              util   temp\n"
        " gpu-3f2a9c1d  H200  busy       ━━━━━━━────×········  61 / 139 GiB  97 %  71 °C\n"
        "  jobs     ants-bees-frozen 11 GiB, flowers-full 69 GiB\n"
        "  foreign  python3 (pid 41242) 8 GiB, a process (pid 981) 1 GiB\n"
        " gpu-5f2a9c1d  H200  draining   ━━━─────────────────  20 / 139 GiB  64 %  58 °C\n"
        "  reason   drained by lena: new fan at noon\n"
        "  jobs     market1501-reid-resnet50-triplet-seed-0\n"
        " gpu-9f2a9c1d  H200  free       ····················   0 / 139 GiB   0 %  31 °C\n"
        " gpu-cf2a9c1d  H200  unhealthy  ····················   0 / 139 GiB     –      –\n"
        "  reason   its driver reports XID 79: the GPU has fallen off the bus\n"
        "  errors   XID 13 3 times, XID 79 once\n"
        "\n"
        " ━ used by jobs  ─ reserved  × foreign  · free\n"
    )


def test_the_table_of_a_wide_terminal_has_whole_names_and_jobs():
    lines = shown(fleet.devices(), 160).splitlines()

    assert lines[0].endswith("util   temp  jobs")
    assert "  NVIDIA H200  busy       ━━━" in lines[1]
    assert lines[1].endswith("  71 °C  ants-bees-frozen 11 GiB, flowers-full 69 GiB")
    assert lines[2].startswith("  foreign  python3")


def test_many_jobs_of_a_device_are_all_told_below():
    jobs = [fleet.on(f"job-{number}", number, 8) for number in range(12)]

    lines = shown([fleet.device(1, jobs=jobs)], 120).splitlines()

    assert lines[1].endswith("…")
    assert lines[2].startswith("  jobs     job-0 8 GiB, job-1 8 GiB, ")
    assert "job-11 8 GiB" in lines[3]


@pytest.mark.parametrize("width", [60, 80, 120, 160])
def test_no_line_is_wider_than_its_terminal(width):
    messages = fleet.devices()
    messages[0].name = "NVIDIA 加速器 " * 10
    messages[0].foreign[0].name = "学習" * 40
    messages[1].reason = "直す" * 60

    text = shown(messages, width)

    assert max(cell_len(line) for line in text.splitlines()) <= width


def test_control_characters_of_others_do_nothing():
    process = device_pb2.ForeignProcess(pid=7, name="evil\x1b[2J\nname", memory_bytes=GIB)
    message = fleet.device(1, name="H\x1b[31m200", reason="a\x07b\rc", foreign=[process])

    text = shown([message], 80)

    assert "\x1b" not in text
    assert "\x07" not in text
    assert "\r" not in text
    assert "evil [2J name (pid 7) 1 GiB" in text


def test_in_a_pipe_nothing_is_cut():
    message = fleet.device(1, name="a very long name of a device " * 4)
    out = console.of(io.StringIO())

    console.show(out, devices.lines(read(message), out))

    assert ("a very long name of a device " * 4).strip() in out.file.getvalue()
    assert "…" not in out.file.getvalue()


def test_a_machine_without_devices_has_a_heading():
    assert shown([], 80).startswith(" device  name  state  memory")


# --- bars -----------------------------------------------------------------------------------


def test_a_bar_tells_jobs_reserved_foreign_and_free_apart():
    assert bar(
        memory_used_bytes=40 * GIB, memory_foreign_bytes=20 * GIB, memory_reserved_bytes=50 * GIB
    ) == "━━───××···"  # fmt: skip
    assert bar() == "··········"
    assert bar(memory_used_bytes=100 * GIB) == "━━━━━━━━━━"


def test_a_little_is_still_seen_and_next_to_nothing_is_not():
    assert bar(memory_used_bytes=2 * GIB, memory_foreign_bytes=2 * GIB) == "×·········"
    assert bar(memory_used_bytes=GIB // 2, memory_foreign_bytes=GIB // 2) == "··········"


def test_a_bar_is_never_too_long():
    full = {"memory_used_bytes": 100 * GIB, "memory_foreign_bytes": 5 * GIB}

    assert bar(**full, memory_reserved_bytes=100 * GIB) == "━━━━━━━━─×"
    assert len(bar(memory_used_bytes=300 * GIB, memory_reserved_bytes=900 * GIB)) == 10


def test_a_device_without_memory_has_an_empty_bar():
    [device] = read(device_pb2.Device(id="cpu"))

    assert bars.memory(device, 4).plain == "····"


@pytest.mark.parametrize(
    ("share", "drawn"),
    [(0, "────"), (0.13, "╸───"), (0.5, "━━──"), (1, "━━━━"), (1.7, "━━━━"), (-1, "────")],
)
def test_a_bar_of_progress_goes_in_halves(share, drawn):
    assert bars.progress(share, 4).plain == drawn


# --- models ---------------------------------------------------------------------------------


def test_figures_that_cannot_be_told_are_none_and_not_zero():
    [device] = read(device_pb2.Device(id="cpu", utilization=0.0))

    assert device.utilization == 0.0
    assert device.temperature_celsius is None
    assert device.energy_joules is None
    assert device.sample_time is None


def test_kinds_and_states_of_a_newer_daemon_are_unknown():
    message = device_pb2.Device(id="x")
    for kind, state in ((0, 0), (99, 98)):
        message.kind, message.state = kind, state
        [device] = read(message)

        assert device.kind is DeviceKind.UNKNOWN
        assert device.state is DeviceState.UNKNOWN
        assert "unknown" in shown([message], 80)


@pytest.mark.parametrize(
    ("wire", "kind", "prefix"),
    [
        (device_pb2.DeviceKind, DeviceKind, "DEVICE_KIND_"),
        (device_pb2.DeviceState, DeviceState, "DEVICE_STATE_"),
    ],
)
def test_every_value_of_the_api_has_a_name_here(wire, kind, prefix):
    names = {name.removeprefix(prefix) for name in wire.keys()}  # noqa: SIM118

    assert names - {"UNSPECIFIED"} == set(kind.__members__) - {"UNKNOWN"}


def test_json_has_stable_names():
    [value] = json.loads(jsontext.devices(read(fleet.devices()[0])))

    assert list(value) == [
        "id", "uuid", "kind", "name", "state", "reason", "cpus", "memory_total_bytes",
        "memory_used_bytes", "memory_reserved_bytes", "memory_foreign_bytes", "foreign", "jobs",
        "utilization", "temperature_celsius", "energy_joules", "xid_errors", "sample_time",
    ]  # fmt: skip
    assert (value["kind"], value["state"]) == ("gpu", "busy")
    assert value["foreign"][0] == {"pid": 41242, "name": "python3", "memory_bytes": 8 * GIB}
    assert value["jobs"][0]["memory_bytes"] == 11 * GIB
    assert value["sample_time"] == "2026-11-21T03:04:05.000Z"


@pytest.mark.parametrize(
    ("state", "reason", "told"),
    [
        ("DRAINED", "new fan", "is drained: new fan; it takes no jobs until it is resumed"),
        ("DRAINED", "", "is drained; it takes no jobs until it is resumed"),
        ("DRAINING", "", "is draining; 1 job on it goes on, no more will start"),
        ("FREE", "", "is free and takes jobs"),
        ("BUSY", "", "is busy and takes jobs"),
        ("UNHEALTHY", "XID 79", "is unhealthy: XID 79; it takes no jobs"),
    ],
)
def test_a_sentence_says_whether_a_device_takes_jobs(state, reason, told):
    message = fleet.device(
        3, state=device_pb2.DeviceState.Value(f"DEVICE_STATE_{state}"), reason=reason,
        jobs=[fleet.on("x", 1)],
    )  # fmt: skip
    [device] = read(message)

    assert devices.standing(device) == f"gpu-3f2a9c1d {told}"
