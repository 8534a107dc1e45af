"""The API of a fake daemon, over its ledger."""

import hashlib
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

import grpc

from finetuned.v1 import device_pb2, job_pb2
from finetuned.v1 import device_service_pb2 as device_api
from finetuned.v1 import job_service_pb2 as api
from finetuned.v1.device_service_pb2_grpc import DeviceServiceServicer
from finetuned.v1.job_service_pb2_grpc import JobServiceServicer
from ftctl.testing.ledger import Entry, Ledger, settle, story_of
from ftctl.testing.recipes import resolved
from ftctl.testing.refusal import Refusal

DEFAULT_PAGE, LARGEST_PAGE = 50, 1000
PIECE_BYTES = 64 * 2**10


class Answers(grpc.ServerInterceptor):
    """Notes every call, refuses those that a test wants refused, and turns refusals to statuses."""

    def __init__(self, admit: Callable[[str], None]) -> None:
        self._admit = admit

    def intercept_service(self, continuation: Any, details: grpc.HandlerCallDetails) -> Any:
        """Wrap the handler of a call."""
        handler = continuation(details)
        if handler is None:
            return None
        name = details.method.rpartition("/")[2]
        asked = "stream" if handler.request_streaming else "unary"
        if handler.response_streaming:
            kind, wrap = f"{asked}_stream", self._streaming
        else:
            kind, wrap = f"{asked}_unary", self._single
        return handler._replace(**{kind: wrap(name, getattr(handler, kind))})

    def _single(self, name: str, call: Any) -> Any:
        def answer(request: Any, context: grpc.ServicerContext) -> Any:
            try:
                self._admit(name)
                return call(request, context)
            except Refusal as refusal:
                context.abort_with_status(refusal.status())

        return answer

    def _streaming(self, name: str, call: Any) -> Any:
        def answer(request: Any, context: grpc.ServicerContext) -> Any:
            try:
                self._admit(name)
                yield from call(request, context)
            except Refusal as refusal:
                context.abort_with_status(refusal.status())

        return answer


class Jobs(JobServiceServicer):
    """JobService."""

    def __init__(self, ledger: Ledger, *, moved: Callable[[], None]) -> None:
        self._ledger = ledger
        self._moved = moved
        self.cuts = 0
        """Counts the times that all streams were cut."""

    def SubmitJob(self, request: api.SubmitJobRequest, context: Any) -> api.SubmitJobResponse:
        """Take a job in, or only plan it."""
        spec, base = resolved(request.spec)
        with self._ledger.news:
            if request.validate_only:
                self._ledger.check(spec)
                job = job_pb2.Job(spec=spec, base=base, state=job_pb2.JOB_STATE_QUEUED)
                job.plan_json = story_of(job).plan_json()
                return api.SubmitJobResponse(job=job)
            entry = self._ledger.submit(spec, request.request_id)
            entry.job.base = base
            answer = api.SubmitJobResponse(job=entry.job)
            self._moved()
            return answer

    def GetJob(self, request: api.GetJobRequest, context: Any) -> api.GetJobResponse:
        """Return one job."""
        with self._ledger.news:
            return api.GetJobResponse(job=self._ledger.find(request.job).job)

    def ListJobs(self, request: api.ListJobsRequest, context: Any) -> api.ListJobsResponse:
        """Return a page of jobs, the latest first."""
        if request.page_token and not request.page_token.isdecimal():
            raise Refusal("INVALID_PAGE_TOKEN", f"page_token: `{request.page_token}` is not ours")
        if request.page_size < 0:
            raise Refusal("INVALID_ARGUMENT", f"page_size: {request.page_size} is negative")
        size = min(request.page_size or DEFAULT_PAGE, LARGEST_PAGE)
        # A token is the number of jobs that are older: new ones do not move it.
        with self._ledger.news:
            older = int(request.page_token or len(self._ledger.entries))
            found = [
                (number, entry.job)
                for number, entry in enumerate(self._ledger.entries[:older])
                if _is_wanted(entry.job, request)
            ][::-1]
            token = str(found[size - 1][0]) if len(found) > size else ""
            return api.ListJobsResponse(
                jobs=[_brief(job) for _, job in found[:size]], next_page_token=token
            )

    def CancelJob(self, request: api.CancelJobRequest, context: Any) -> api.CancelJobResponse:
        """End a job."""
        with self._ledger.news:
            entry = self._ledger.find(request.job)
            end = self._ledger.finish if request.finish else self._ledger.cancel
            end(entry)
            return api.CancelJobResponse(job=entry.job)

    def PauseJob(self, request: api.PauseJobRequest, context: Any) -> api.PauseJobResponse:
        """Take a job off its devices."""
        with self._ledger.news:
            entry = self._ledger.find(request.job)
            self._ledger.pause(entry)
            answer = api.PauseJobResponse(job=entry.job)
            self._moved()
            return answer

    def ResumeJob(self, request: api.ResumeJobRequest, context: Any) -> api.ResumeJobResponse:
        """Let a paused job go on."""
        with self._ledger.news:
            entry = self._ledger.find(request.job)
            self._ledger.resume(entry)
            answer = api.ResumeJobResponse(job=entry.job)
            self._moved()
            return answer

    def DeleteJob(self, request: api.DeleteJobRequest, context: Any) -> api.DeleteJobResponse:
        """Forget an ended job."""
        with self._ledger.news:
            self._ledger.delete(self._ledger.find(request.job))
            return api.DeleteJobResponse()

    def ListArtifacts(
        self, request: api.ListArtifactsRequest, context: Any
    ) -> api.ListArtifactsResponse:
        """List what a job has made up."""
        with self._ledger.news:
            found = self._ledger.find(request.job).files()
        return api.ListArtifactsResponse(artifacts=[file for file, _ in found.values()])

    def PullArtifact(
        self, request: api.PullArtifactRequest, context: Any
    ) -> Iterator[api.PullArtifactResponse]:
        """Stream a file that a job has made up."""
        with self._ledger.news:
            entry = self._ledger.find(request.job)
            found = entry.files()
        if request.kind not in found:
            has = f"it has {', '.join(found)}" if found else "it has made none yet"
            raise Refusal(
                "ARTIFACT_NOT_FOUND",
                f"job {entry.job.spec.name} has no artifact `{request.kind}`; {has}",
            )
        content = found[request.kind][1]
        yield api.PullArtifactResponse(
            data=content[request.offset :],
            size_bytes=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
        )

    def WatchJob(
        self, request: api.WatchJobRequest, context: grpc.ServicerContext
    ) -> Iterator[api.WatchJobResponse]:
        """Stream the events of a job until it has ended."""
        entry = self._follow(request.job, context)
        position = request.after_sequence
        for _ in self._while_open(context):
            with self._ledger.news:
                fresh, has_ended = entry.events[position:], entry.has_ended
            for event in fresh:
                yield api.WatchJobResponse(event=event)
            position += len(fresh)
            if has_ended:
                return
            self._await(context, partial(_has_more, entry, events=position))

    def TailLog(
        self, request: api.TailLogRequest, context: grpc.ServicerContext
    ) -> Iterator[api.TailLogResponse]:
        """Stream the log of a job."""
        entry = self._follow(request.job, context)
        with self._ledger.news:
            offset = _offset(entry.log, request)
        for _ in self._while_open(context):
            with self._ledger.news:
                fresh, has_ended = entry.log[offset : offset + PIECE_BYTES], entry.has_ended
            offset += len(fresh)
            if fresh:
                yield api.TailLogResponse(data=fresh, next_offset=offset)
            elif has_ended or not request.follow:
                return
            self._await(context, partial(_has_more, entry, log=offset))

    def _follow(self, ref: str, context: grpc.ServicerContext) -> Entry:
        # Whoever waits for news looks up when its caller has gone.
        context.add_callback(self._wake)
        with self._ledger.news:
            return self._ledger.find(ref)

    def _while_open(self, context: grpc.ServicerContext) -> Iterator[None]:
        begun = self.cuts
        while context.is_active():
            if self.cuts != begun:
                raise Refusal("SHUTTING_DOWN", "the fake daemon was told to cut this stream")
            yield

    def _await(self, context: grpc.ServicerContext, is_there: Callable[[], bool]) -> None:
        """Wait until something is there, or nobody waits for it any more."""
        with self._ledger.news:
            cuts = self.cuts
            self._ledger.news.wait_for(
                lambda: is_there() or self.cuts != cuts or not context.is_active()
            )

    def _wake(self) -> None:
        with self._ledger.news:
            self._ledger.news.notify_all()


class Devices(DeviceServiceServicer):
    """DeviceService."""

    def __init__(self, ledger: Ledger, *, resumed: Callable[[], None]) -> None:
        self._ledger = ledger
        self._resumed = resumed

    def ListDevices(
        self, request: device_api.ListDevicesRequest, context: Any
    ) -> device_api.ListDevicesResponse:
        """Return all devices."""
        with self._ledger.news:
            return device_api.ListDevicesResponse(devices=self._ledger.devices)

    def DrainDevice(
        self, request: device_api.DrainDeviceRequest, context: Any
    ) -> device_api.DrainDeviceResponse:
        """Have a device take no more jobs."""
        with self._ledger.news:
            device = self._ledger.find_device(request.device)
            device.state, device.reason = device_pb2.DEVICE_STATE_DRAINED, request.reason
            settle(device)
            return device_api.DrainDeviceResponse(device=device)

    def ResumeDevice(
        self, request: device_api.ResumeDeviceRequest, context: Any
    ) -> device_api.ResumeDeviceResponse:
        """Have a device take jobs again."""
        with self._ledger.news:
            device = self._ledger.find_device(request.device)
            device.state, device.reason = device_pb2.DEVICE_STATE_FREE, ""
            settle(device)
            self._resumed()
            return device_api.ResumeDeviceResponse(device=device)


def _has_more(entry: Entry, *, events: int | None = None, log: int | None = None) -> bool:
    """Return whether a job has more than what was seen of it, or will never have."""
    grown = events is not None and len(entry.events) > events
    return grown or (log is not None and len(entry.log) > log) or entry.has_ended


def _is_wanted(job: job_pb2.Job, request: api.ListJobsRequest) -> bool:
    pattern = request.name.replace("[", "[[]") or "*"
    return (
        (not request.states or job.state in request.states)
        and fnmatchcase(job.spec.name, pattern)
        and request.user in ("", job.user)
        and request.labels.items() <= job.spec.labels.items()
    )


def _brief(job: job_pb2.Job) -> job_pb2.Job:
    """Return a job as a listing shows it: with its best and its last epoch, without its plan."""
    brief = job_pb2.Job()
    brief.CopyFrom(job)
    brief.ClearField("plan_json")
    brief.ClearField("epochs")
    # Of those here the last is always the best.
    brief.epochs.extend(job.epochs[-1:])
    return brief


def _offset(log: bytes, request: api.TailLogRequest) -> int:
    if not request.last_lines:
        return int(request.offset)
    return len(log) - sum(map(len, log.splitlines(keepends=True)[-request.last_lines :]))
