"""The client of a daemon: one method per thing that one can ask of it."""

import codecs
import uuid
from collections.abc import AsyncGenerator, Awaitable, Iterable, Mapping
from contextlib import aclosing
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import grpc

from finetuned.v1 import device_service_pb2 as device_pb
from finetuned.v1 import job_service_pb2 as pb
from finetuned.v1.device_service_pb2_grpc import DeviceServiceStub
from finetuned.v1.job_service_pb2_grpc import JobServiceStub
from ftctl import channel, devicewire, models, status, wire
from ftctl._async.stream import CUT, OnGap, resumed
from ftctl.devices import Device
from ftctl.errors import BadInput, Fault, FtctlError, InvalidJob, WatchInterrupted
from ftctl.jobfile import JobFile

R = TypeVar("R")

JobSource = JobFile | Path | str | Mapping[str, Any]
"""A job: read already, by the path of its file, or as a mapping."""

# How long a daemon may be away, as in a restart, before who follows a job is told.
PATIENCE_S = 30.0


class AsyncClient:
    """A connection to a daemon.

        async with AsyncClient() as client:
            job = await client.submit("job.yaml")
            async for event in job.watch():
                print(event)
            (await job.wait()).check()

    Args:
        socket: Path of the daemon's socket. Default: FTCTL_SOCKET, FTD_SOCKET, or where a daemon
            of this user listens.
        patience_s: How long `watch`, `wait` and `logs` try again after the daemon went away.
    """

    def __init__(self, socket: str | Path | None = None, *, patience_s: float = PATIENCE_S) -> None:
        self.socket = Path(socket) if socket else channel.default_socket()
        self._patience_s = patience_s
        self._channel: grpc.aio.Channel | None = None

    async def __aenter__(self) -> Self:
        """Connect. Raises DaemonUnreachable at once where nobody listens."""
        channel.probe(self.socket)
        self._channel = channel.open_channel(self.socket)
        self._jobs = JobServiceStub(self._channel)
        self._devices = DeviceServiceStub(self._channel)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._channel is not None:
            await self._channel.close()

    async def submit(
        self, job: JobSource, *, overrides: Mapping[str, Any] | None = None
    ) -> "AsyncJobHandle":
        """Submit a job; it is durable when this returns.

        Args:
            job: What to run.
            overrides: Field paths and what they shall be instead, as `{"train.epochs": 3}`.

        Raises:
            BadJobFile, InvalidJob, NameTaken: see their sentences. Faults that only the plan
                finds end the job, later.
        """
        submitted = await self._submit(job, overrides, validate_only=False)
        return AsyncJobHandle(self, submitted)

    async def validate(
        self, job: JobSource, *, overrides: Mapping[str, Any] | None = None
    ) -> models.Job:
        """Check a job and make its plan without submitting it.

        The job has no id. It has no plan where that waits for another job, as its `reason` says.

        Raises:
            BadJobFile, InvalidJob: with all faults, those of the plan included.
        """
        return await self._submit(job, overrides, validate_only=True)

    async def get(self, job: str) -> models.Job:
        """Return a job by id, by at least four characters of an id, or by name."""
        call = self._jobs.GetJob(pb.GetJobRequest(job=job), timeout=channel.CALL_DEADLINE_S)
        return wire.job((await self._answer(call)).job)

    async def list(
        self, *, states: Iterable[models.JobState] = (), page_size: int = 0
    ) -> AsyncGenerator[models.Job, None]:
        """Yield the jobs in these states (none: in all), latest first, asking page by page."""
        request = pb.ListJobsRequest(page_size=page_size, states=wire.states(tuple(states)))
        while True:
            call = self._jobs.ListJobs(request, timeout=channel.CALL_DEADLINE_S)
            page = await self._answer(call)
            for job in page.jobs:
                yield wire.job(job)
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def cancel(self, job: str) -> models.Job:
        """Cancel a job; one that has ended is returned as it is."""
        call = self._jobs.CancelJob(pb.CancelJobRequest(job=job), timeout=channel.CALL_DEADLINE_S)
        return wire.job((await self._answer(call)).job)

    async def watch(
        self, job: str, *, after_sequence: int = 0, on_gap: OnGap | None = None
    ) -> AsyncGenerator[models.Event, None]:
        """Yield the events of a job, each once and in order, until it has ended.

        Where the stream is cut it goes on by itself, without a gap.

        Args:
            job: Id, prefix of an id, or name.
            after_sequence: Sequence number of the last event already seen.
            on_gap: Called where the stream is cut, and about each second while it is tried again,
                with the seconds since the cut; with None once it is back.

        Raises:
            WatchInterrupted: where the daemon stays away.
        """
        request = pb.WatchJobRequest(job=job, after_sequence=after_sequence)
        stream = resumed(
            lambda: self._jobs.WatchJob(request), patience_s=self._patience_s, on_gap=on_gap
        )
        async with aclosing(stream) as responses:
            try:
                async for response in responses:
                    message = response.event
                    if message.sequence <= request.after_sequence:
                        continue
                    # From now on by id: a name may pass to a later job.
                    request.job, request.after_sequence = message.job_id, message.sequence
                    event = wire.event(message)
                    if event is not None:
                        yield event
            except grpc.aio.AioRpcError as error:
                raise self._interrupted(error, request.job) from None

    async def wait(self, job: str) -> models.Job:
        """Return the job once it has ended. Raises as `watch` does."""
        standing = await self.get(job)
        if not standing.state.is_terminal:
            async for _ in self.watch(standing.id, after_sequence=standing.last_sequence):
                pass
            standing = await self.get(standing.id)
        return standing

    async def logs(
        self,
        job: str,
        *,
        follow: bool = False,
        last_lines: int = 0,
        on_gap: OnGap | None = None,
    ) -> AsyncGenerator[str, None]:
        """Yield the log of a job's latest attempt in pieces.

        Args:
            job: Id, prefix of an id, or name.
            follow: Go on as the log grows, until the job has ended.
            last_lines: Begin at most this many lines before the end. 0: at the beginning.
            on_gap: As in `watch`.
        """
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        request = pb.TailLogRequest(job=job, last_lines=last_lines, follow=follow)
        stream = resumed(
            lambda: self._jobs.TailLog(request), patience_s=self._patience_s, on_gap=on_gap
        )
        async with aclosing(stream) as responses:
            try:
                async for response in responses:
                    request.offset, request.last_lines = response.next_offset, 0
                    yield decoder.decode(response.data)
            except grpc.aio.AioRpcError as error:
                raise self._interrupted(error, job) from None

    async def devices(self) -> tuple[Device, ...]:
        """Return the devices of the machine, always in the same order."""
        call = self._devices.ListDevices(
            device_pb.ListDevicesRequest(), timeout=channel.CALL_DEADLINE_S
        )
        return tuple(devicewire.device(item) for item in (await self._answer(call)).devices)

    async def drain_device(self, name: str, reason: str = "") -> Device:
        """Have a device take no more jobs until it is resumed; those on it go on.

        Args:
            name: Its id, its uuid, or at least four characters of one.
            reason: What for, shown to whoever waits.
        """
        request = device_pb.DrainDeviceRequest(device=name, reason=reason)
        call = self._devices.DrainDevice(request, timeout=channel.CALL_DEADLINE_S)
        return devicewire.device((await self._answer(call)).device)

    async def resume_device(self, name: str) -> Device:
        """Have a drained device take jobs again."""
        request = device_pb.ResumeDeviceRequest(device=name)
        call = self._devices.ResumeDevice(request, timeout=channel.CALL_DEADLINE_S)
        return devicewire.device((await self._answer(call)).device)

    async def _submit(
        self, source: JobSource, overrides: Mapping[str, Any] | None, *, validate_only: bool
    ) -> models.Job:
        file = _job_file(source, overrides)
        if file.faults:
            raise InvalidJob(await self._all_faults(file))
        deadline_s = channel.PLAN_DEADLINE_S if validate_only else channel.CALL_DEADLINE_S
        try:
            return await self._send(file, validate_only=validate_only, deadline_s=deadline_s)
        except InvalidJob as error:
            raise InvalidJob(file.located(error.faults)) from None

    async def _all_faults(self, file: JobFile) -> tuple[Fault, ...]:
        """Return the faults of a file and, if the daemon can say them, those of its recipe."""
        try:
            await self._send(file, validate_only=True, deadline_s=channel.CALL_DEADLINE_S)
        except InvalidJob as error:
            return file.located((*file.faults, *error.faults))
        except FtctlError:
            # Whatever keeps the daemon from an answer: the file has to be mended first.
            return file.faults
        return file.faults

    async def _send(self, file: JobFile, *, validate_only: bool, deadline_s: float) -> models.Job:
        request = pb.SubmitJobRequest(
            spec=wire.spec(file.request), request_id=str(uuid.uuid4()), validate_only=validate_only
        )
        response = await self._answer(self._jobs.SubmitJob(request, timeout=deadline_s))
        return wire.job(response.job)

    async def _answer(self, call: Awaitable[R]) -> R:
        try:
            return await call
        except grpc.aio.AioRpcError as error:
            raise status.from_rpc(error, socket=str(self.socket)) from None

    def _interrupted(self, error: grpc.aio.AioRpcError, job: str) -> Exception:
        if error.code() not in CUT:
            return status.from_rpc(error, socket=str(self.socket))
        return WatchInterrupted(
            f"the daemon at {self.socket} has been away for {self._patience_s:g} s; job {job} "
            f"goes on without it. `ftd serve` starts a daemon, `ftctl watch {job}` comes back"
        )


class AsyncJobHandle:
    """A submitted job.

    `submitted` is the job as it stood then.
    """

    def __init__(self, client: AsyncClient, submitted: models.Job) -> None:
        self._client = client
        self.submitted = submitted

    @property
    def id(self) -> str:
        """The job's id."""
        return self.submitted.id

    @property
    def name(self) -> str:
        """The job's name."""
        return self.submitted.name

    def watch(
        self, *, after_sequence: int = 0, on_gap: OnGap | None = None
    ) -> AsyncGenerator[models.Event, None]:
        """Yield the job's events; see AsyncClient.watch."""
        return self._client.watch(self.id, after_sequence=after_sequence, on_gap=on_gap)

    async def wait(self) -> models.Job:
        """Return the job once it has ended."""
        return await self._client.wait(self.id)

    async def get(self) -> models.Job:
        """Return the job as it stands."""
        return await self._client.get(self.id)

    async def cancel(self) -> models.Job:
        """Cancel the job."""
        return await self._client.cancel(self.id)

    def logs(
        self, *, follow: bool = False, on_gap: OnGap | None = None
    ) -> AsyncGenerator[str, None]:
        """Yield the job's log; see AsyncClient.logs."""
        return self._client.logs(self.id, follow=follow, on_gap=on_gap)


def _job_file(source: JobSource, overrides: Mapping[str, Any] | None) -> JobFile:
    match source:
        case JobFile() if overrides:
            raise BadInput("a JobFile is read already; give its overrides to JobFile.read")
        case JobFile():
            return source
        case str() | Path():
            return JobFile.read(source, overrides=overrides)
        case _:
            return JobFile.of(source, overrides=overrides)
