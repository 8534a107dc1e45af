"""What a call has begun is ended well, though its caller goes away or the daemon stops."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import grpc
import pytest

from finetuned.v1 import device_service_pb2 as pb
from finetuned.v1 import device_service_pb2_grpc
from ftd.jobs.lasting import in_thread
from ftd.rpc import listener
from tests.fakes.listening import Line, listening
from tests.wait import wait_until


def devices(line: Line) -> Any:
    return device_service_pb2_grpc.DeviceServiceStub(line.channel)


async def test_a_device_is_drained_though_its_caller_goes_away(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_begun, goes_on, drain = asyncio.Event(), asyncio.Event(), line.office.drain

    async def slowly(ref: str, *, reason: str) -> Any:
        is_begun.set()
        await goes_on.wait()
        return await drain(ref, reason=reason)

    monkeypatch.setattr(line.office, "drain", slowly)
    call = devices(line).DrainDevice(pb.DrainDeviceRequest(device="sim0", reason="fan"))
    await is_begun.wait()
    call.cancel()
    await devices(line).ListDevices(pb.ListDevicesRequest())  # So the cancellation has come.
    goes_on.set()

    await wait_until(lambda: line.office.fleet.standings()[0].reason == "fan")


async def test_a_stop_waits_for_what_ended_calls_still_do_in_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_at_work, goes_on = threading.Event(), threading.Event()

    async def looks() -> list[Any]:
        is_at_work.set()
        return await in_thread(lambda: [goes_on.wait()])

    monkeypatch.setattr(listener, "GRACE_S", 0.0)
    async with listening(tmp_path) as line:
        monkeypatch.setattr(line.office, "look_at_devices", looks)
        call = devices(line).ListDevices(pb.ListDevicesRequest())
        calling = asyncio.ensure_future(call)
        await asyncio.to_thread(is_at_work.wait)
        stopping = asyncio.create_task(line.listener.stop())
        with pytest.raises(grpc.aio.AioRpcError):
            await calling
        await asyncio.wait([stopping], timeout=0.5)
        assert not stopping.done()
        goes_on.set()
        await stopping
