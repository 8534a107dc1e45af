"""Devices, from the client and the command, against a daemon's API."""

import json

import grpc
import pytest

import ftctl as sdk
from finetuned.v1 import device_service_pb2 as pb
from finetuned.v1 import job_service_pb2
from ftctl.cli import dispatch, parser
from tests.fakes import fleet
from tests.fakes.refusals import Refusal


@pytest.fixture
def machine(daemon):
    fleet.load(daemon)
    return daemon


@pytest.fixture
def ftctl(machine, capsys):
    async def run(*words):
        given = ["--socket", str(machine.socket), *words]
        code = await dispatch.call(parser(given).parse_args(given))
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


# --- from Python ----------------------------------------------------------------------------


async def test_devices_come_in_the_daemons_order(machine, client):
    devices = await client.devices()

    assert [device.id for device in devices] == [
        "gpu-3f2a9c1d", "gpu-5f2a9c1d", "gpu-9f2a9c1d", "gpu-cf2a9c1d",
    ]  # fmt: skip
    assert devices[0].state is sdk.DeviceState.BUSY
    assert devices[0].kind is sdk.DeviceKind.GPU
    assert devices[0].foreign[1] == sdk.ForeignProcess(pid=981, name="", memory_bytes=2**30)
    assert devices[1].jobs == (
        sdk.DeviceJob(
            job_id=f"{3:032x}", name="market1501-reid-resnet50-triplet-seed-0", memory_bytes=None
        ),
    )
    assert devices[3].xid_errors == {79: 1, 13: 3}


async def test_a_device_is_drained_and_resumed(machine, client):
    drained = await client.drain_device("gpu-9f2a", "new fan")
    resumed = await client.resume_device("gpu-9f2a9c1d")

    assert (drained.state, drained.reason) == (sdk.DeviceState.DRAINED, "new fan")
    assert (resumed.state, resumed.reason) == (sdk.DeviceState.FREE, "")
    [request] = await machine.asked(pb.DrainDeviceRequest)
    assert (request.device, request.reason) == ("gpu-9f2a", "new fan")


async def test_unknown_and_ambiguous_devices_are_bad_input(machine, client):
    with pytest.raises(sdk.DeviceNotFound, match="there is no device `gpu-0`"):
        await client.drain_device("gpu-0")
    with pytest.raises(sdk.AmbiguousDevice, match="`gpu-` may be gpu-3f2a9c1d or"):
        await client.resume_device("gpu-")
    assert issubclass(sdk.DeviceNotFound, sdk.BadInput)


async def test_attempts_and_limits_of_a_job_are_read(machine, client):
    spec = machine.jobs[f"{1:032x}"].spec
    spec.resources.memory_bytes = 11 * 2**30
    spec.timeout.FromSeconds(9000)

    job = await client.get("ants-bees-frozen")

    assert (job.memory_bytes, job.timeout_seconds, job.not_before) == (11 * 2**30, 9000, None)
    [attempt] = job.attempts
    assert isinstance(attempt, sdk.Attempt)
    assert (attempt.number, attempt.devices, attempt.end_time) == (1, ("gpu-3f2a9c1d",), None)


async def test_the_daemons_part_of_a_job_reaches_the_daemon(daemon, client):
    await client.submit(
        {
            "name": "x",
            "resources": {"devices": 2, "memory": "11GiB"},
            "timeout": "2h30m",
            "not_before": "2026-11-22T08:00:00+01:00",
        }
    )

    [request] = await daemon.asked(job_service_pb2.SubmitJobRequest)
    assert request.spec.resources.memory_bytes == 11 * 2**30
    assert request.spec.timeout.seconds == 9000
    assert request.spec.not_before.ToJsonString() == "2026-11-22T07:00:00Z"


async def test_a_full_queue_is_told_in_the_daemons_words(daemon, client):
    daemon.refusal = Refusal(
        grpc.StatusCode.RESOURCE_EXHAUSTED, "QUEUE_FULL", "1,000 jobs wait, as many as may"
    )

    with pytest.raises(sdk.QueueFull, match="1,000 jobs wait, as many as may"):
        await client.submit({"name": "x"})


# --- the command ----------------------------------------------------------------------------


async def test_devices_prints_a_table_or_json(ftctl):
    code, out, err = await ftctl("devices")

    assert (code, err) == (0, "")
    assert out.startswith(" device        name  state      memory")
    assert "\n  foreign  python3 (pid 41242) 8 GiB, a process (pid 981) 1 GiB\n" in out
    assert "\x1b" not in out

    code, out, _ = await ftctl("devices", "-o", "json")
    assert code == 0
    assert [device["state"] for device in json.loads(out)] == [
        "busy", "draining", "free", "unhealthy",
    ]  # fmt: skip


async def test_drain_and_resume_say_what_came_of_it(ftctl):
    assert await ftctl("devices", "drain", "gpu-9f2a", "--reason", "new fan") == (
        0,
        "gpu-9f2a9c1d is drained: new fan; it takes no jobs until it is resumed\n",
        "",
    )
    assert await ftctl("devices", "drain", "gpu-3f2a") == (
        0,
        "gpu-3f2a9c1d is draining; 2 jobs on it go on, no more will start\n",
        "",
    )
    assert await ftctl("devices", "resume", "GPU-9f2a9c1d") == (
        0,
        "gpu-9f2a9c1d is free and takes jobs\n",
        "",
    )


@pytest.mark.parametrize("action", ["drain", "resume"])
async def test_an_unknown_device_is_bad_input(ftctl, action):
    assert await ftctl("devices", action, "gpu-0") == (
        2,
        "",
        "ftctl: there is no device `gpu-0`; `ftctl devices` shows all\n",
    )


async def test_the_socket_may_stand_behind_the_action(machine, capsys):
    given = ["devices", "resume", "gpu-9f2a", "--socket", str(machine.socket)]

    code = await dispatch.call(parser(given).parse_args(given))

    assert (code, capsys.readouterr().err) == (0, "")


@pytest.mark.parametrize("words", [["devices"], ["devices", "drain", "sim0"], ["top"]])
async def test_no_daemon_says_how_to_start_one(machine, ftctl, words):
    await machine.stop()

    code, out, err = await ftctl(*words)

    assert (code, out) == (3, "")
    assert err.startswith(f"ftctl: no daemon answers at {machine.socket} (there is no such socket)")


async def test_top_in_a_pipe_prints_one_screen(ftctl):
    code, out, err = await ftctl("top")

    assert (code, err) == (0, "")
    assert out.startswith(" finetuned  4 devices, 2 in use, 2 out of use  4 running  40 waiting  ")
    assert " market1501-reid-resnet50-triplet-seed-0  gpu-5f2a  41/120  " in out
    assert " needs 60 GiB of one device: the most that is free is 50 GiB, on gpu-3f2a9c1d\n" in out
    assert out.count("\n") <= 60
    assert "\x1b" not in out


async def test_top_leaves_jobs_that_have_ended_out(machine, ftctl):
    for job in machine.jobs.values():
        job.state = job.state if job.state == 3 else 6

    _, out, _ = await ftctl("top")

    assert "  3 running  0 waiting" in out
    assert "nothing waits" in out


async def test_get_prints_the_job_file_as_yaml(ftctl):
    code, out, err = await ftctl("get", "ants-bees-frozen", "-o", "yaml")

    assert (code, err) == (0, "")
    assert out == "name: ants-bees-frozen\nresources:\n  devices: 1\npriority: 10\nretries: 0\n"
