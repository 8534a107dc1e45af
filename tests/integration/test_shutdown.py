"""The end of a daemon: what each signal does, in what order, and what it says."""

import asyncio
import json
import os
import pty
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from finetuned.v1.job_service_pb2 import GetJobRequest, SubmitJobRequest, WatchJobRequest
from finetuned.v1.job_service_pb2_grpc import JobServiceStub
from ftd.errors import ShuttingDown
from ftd.rpc import listener
from ftd.rpc.job_service import JobService
from tests.fakes.listening import details, listening, rest, spec
from tests.wait import wait_until

CHECKOUT = Path(__file__).resolve().parents[2]
FAKE = (sys.executable, "-m", "tests.fakes.daemon", "serve")


@dataclass(kw_only=True)
class Daemon:
    """A daemon in a process of its own, its log read line by line."""

    process: asyncio.subprocess.Process
    channel: grpc.aio.Channel
    log: list[dict[str, Any]] = field(default_factory=list)

    @property
    def jobs(self) -> Any:
        return JobServiceStub(self.channel)

    async def until(self, event: str) -> dict[str, Any]:
        assert self.process.stderr is not None
        while line := await self.process.stderr.readline():
            self.log.append(json.loads(line))
            if self.log[-1]["event"] == event:
                return self.log[-1]
        raise AssertionError(f"the daemon ended before {event}: {self.log}")


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[Daemon]:
    with TemporaryDirectory(prefix="ftd-") as short:
        socket = Path(short, "s")
        process = await asyncio.create_subprocess_exec(
            *FAKE, "--state", str(tmp_path), "--socket", str(socket), "--log-format", "json",
            cwd=CHECKOUT, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            async with grpc.aio.insecure_channel(f"unix:{socket}") as channel:
                daemon = Daemon(process=process, channel=channel)
                await daemon.until("daemon_started")
                yield daemon
        finally:
            if process.returncode is None:
                process.kill()
            await process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_watchers_politely_and_then_the_daemon(
    daemon: Daemon, number: signal.Signals
) -> None:
    await daemon.jobs.SubmitJob(SubmitJobRequest(spec=spec("runs")))
    call = daemon.jobs.WatchJob(WatchJobRequest(job="runs"))
    await call.read()

    daemon.process.send_signal(number)

    with pytest.raises(grpc.aio.AioRpcError) as error:
        await rest(call)
    assert details(error.value)["ErrorInfo"].reason == "SHUTTING_DOWN"
    assert details(error.value)["RetryInfo"].retry_delay.seconds == 2
    assert (await daemon.until("daemon_stopping"))["jobs_that_go_on"] == ["runs"]
    await daemon.until("daemon_stopped")
    assert await daemon.process.wait() == 0


async def test_an_idle_daemon_stops_at_once_and_speaks_of_no_jobs(daemon: Daemon) -> None:
    daemon.process.send_signal(signal.SIGTERM)

    stopping = await daemon.until("daemon_stopping")
    stopped = await daemon.until("daemon_stopped")
    assert stopping["jobs_that_go_on"] == []
    begin, end = (datetime.fromisoformat(line["timestamp"]) for line in (stopping, stopped))
    assert (end - begin).total_seconds() < listener.GRACE_S
    assert await daemon.process.wait() == 0


async def test_what_was_submitted_is_there_for_the_next_daemon(
    daemon: Daemon, tmp_path: Path
) -> None:
    job = (await daemon.jobs.SubmitJob(SubmitJobRequest(spec=spec("ants")))).job
    daemon.process.send_signal(signal.SIGKILL)
    await daemon.process.wait()

    async with listening(tmp_path) as line:
        assert (await line.jobs.GetJob(GetJobRequest(job="ants"))).job == job


async def test_a_second_signal_forces_the_end(daemon: Daemon) -> None:
    health = health_pb2_grpc.HealthStub(daemon.channel)
    # A call that does not end by itself holds the first, polite end up.
    call = health.Watch(health_pb2.HealthCheckRequest())
    await call.read()
    daemon.process.send_signal(signal.SIGTERM)
    await daemon.until("daemon_stopping")

    daemon.process.send_signal(signal.SIGTERM)

    assert (await daemon.until("daemon_forced"))["signal"] == "SIGTERM"
    assert await daemon.process.wait() == 128 + signal.SIGTERM
    assert "daemon_stopped" not in [line["event"] for line in daemon.log]


async def test_health_says_not_serving_before_calls_are_ended(daemon: Daemon) -> None:
    health = health_pb2_grpc.HealthStub(daemon.channel)
    call = health.Watch(health_pb2.HealthCheckRequest())
    assert (await call.read()).status == health_pb2.HealthCheckResponse.SERVING

    daemon.process.send_signal(signal.SIGTERM)

    assert (await call.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
    assert await daemon.process.wait() == 0


async def test_a_job_that_comes_while_the_daemon_stops_is_turned_away(tmp_path: Path) -> None:
    async with listening(tmp_path) as line:
        service = JobService(line.office)
        service.close()

        with pytest.raises(ShuttingDown) as stopping:
            await service.SubmitJob(SubmitJobRequest(spec=spec("ants")), None)

        assert str(stopping.value) == (
            "the daemon stops and takes no more jobs; submit it again later"
        )
        assert await line.office.store.unfinished() == []


async def test_a_change_under_way_is_finished_before_the_daemon_goes(tmp_path: Path) -> None:
    async with listening(tmp_path) as line:
        begun, may_go_on = asyncio.Event(), asyncio.Event()
        take = line.office.submit

        async def slowly(request: Any, **others: object) -> Any:
            begun.set()
            await may_go_on.wait()
            return await take(request, **others)

        line.office.submit = slowly
        call = asyncio.ensure_future(line.jobs.SubmitJob(SubmitJobRequest(spec=spec("ants"))))
        await begun.wait()
        stopping = asyncio.ensure_future(line.listener.stop())
        await wait_until(lambda: line.office.broadcast.is_closed)
        may_go_on.set()

        assert (await call).job.spec.name == "ants"
        await stopping


async def test_a_terminal_gets_lines_for_people(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    with TemporaryDirectory(prefix="ftd-") as short:
        process = await asyncio.create_subprocess_exec(
            *FAKE, "--state", str(tmp_path), "--socket", f"{short}/s", cwd=CHECKOUT, stderr=theirs
        )
        os.close(theirs)
        told = await asyncio.to_thread(os.read, ours, 4096)
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 0
        told += os.read(ours, 4096)
        os.close(ours)

    first, *others = told.decode().split("\r\n")
    assert first.startswith("ftd ")
    assert first.endswith(f"listens on {short}/s with 2 devices; its state is in {tmp_path}")
    assert others == ["ftd stops", "ftd has stopped", ""]
