"""A daemon in this process: real gRPC on a unix socket, jobs that follow a script."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import grpc
from google.protobuf.message import Message

from finetuned.v1 import event_pb2, job_pb2
from finetuned.v1 import job_service_pb2 as pb
from finetuned.v1.daemon_service_pb2_grpc import add_DaemonServiceServicer_to_server
from finetuned.v1.device_service_pb2_grpc import add_DeviceServiceServicer_to_server
from finetuned.v1.job_service_pb2_grpc import (
    JobServiceServicer,
    add_JobServiceServicer_to_server,
)
from tests.fakes.refusals import Refusal, refuse
from tests.fakes.scripted_devices import FakeDevices, FakeOwnAccount

START = datetime(2026, 11, 21, 3, 4, 5, tzinfo=UTC)
TERMINAL = {
    job_pb2.JOB_STATE_SUCCEEDED,
    job_pb2.JOB_STATE_FAILED,
    job_pb2.JOB_STATE_CANCELLED,
}


class FakeDaemon(JobServiceServicer):
    """Holds jobs and their events; a test tells it what happens next."""

    def __init__(self, socket: Path) -> None:
        self.socket = socket
        self.jobs: dict[str, job_pb2.Job] = {}
        self.events: dict[str, list[event_pb2.JobEvent]] = {}
        self.log = b""
        self.requests: list[Any] = []
        self.refusal: Refusal | None = None
        """Answer to the next submission."""
        self.cuts: list[tuple[int, grpc.StatusCode]] = []
        """Per coming WatchJob or TailLog call: after how many messages it is cut, and how."""
        self.plan_json = ""
        """Answer to validate_only."""
        self.on_submit: Callable[[str], Awaitable[None]] | None = None
        """What happens to a job once it is submitted."""
        self.devices = FakeDevices(note=self._note)
        self.own = FakeOwnAccount()
        self._news = asyncio.Condition()
        self._server: grpc.aio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()
        for task in self._tasks:
            task.cancel()

    async def start(self) -> None:
        """Listen."""
        self._server = grpc.aio.server()
        add_JobServiceServicer_to_server(self, self._server)
        add_DeviceServiceServicer_to_server(self.devices, self._server)
        add_DaemonServiceServicer_to_server(self.own, self._server)
        self._server.add_insecure_port(f"unix:{self.socket}")
        await self._server.start()

    async def stop(self) -> None:
        """Go away; jobs and events stay for the next start."""
        if self._server is not None:
            await self._server.stop(grace=None)
            self._server = None

    # --- the script -------------------------------------------------------------------------

    def add(self, name: str, *, job_id: str = "", recipe_json: str = "{}") -> str:
        """Add a queued job without events; return its id."""
        job_id = job_id or uuid.uuid4().hex
        spec = job_pb2.JobSpec(
            name=name, recipe_json=recipe_json, resources=job_pb2.Resources(devices=1)
        )
        self._store(job_id, spec)
        return job_id

    async def emit(self, job_id: str, *, after_s: float = 1.0, **event: Any) -> None:
        """Let one thing happen, `after_s` seconds after the one before."""
        events, job = self.events[job_id], self.jobs[job_id]
        before = events[-1].time.ToDatetime(tzinfo=UTC) if events else START
        message = event_pb2.JobEvent(
            job_id=job_id,
            sequence=len(events) + 1,
            time=before + timedelta(seconds=after_s),
            attempt=job.attempt,
            **event,
        )
        _advance(job, message)
        events.append(message)
        async with self._news:
            self._news.notify_all()

    async def asked(self, kind: type[Message], count: int = 1) -> list[Any]:
        """Wait until so many requests of a kind have come; return them."""
        async with self._news:
            await self._news.wait_for(lambda: len(self._of(kind)) >= count)
        return self._of(kind)

    def _of(self, kind: type[Message]) -> list[Any]:
        return [request for request in self.requests if isinstance(request, kind)]

    def _store(self, job_id: str, spec: job_pb2.JobSpec) -> job_pb2.Job:
        job = job_pb2.Job(id=job_id, state=job_pb2.JOB_STATE_QUEUED, create_time=START)
        job.spec.CopyFrom(spec)
        job.spec.name = spec.name or job_id[:8]
        self.jobs[job_id] = job
        self.events[job_id] = []
        return job

    # --- the service ------------------------------------------------------------------------

    async def SubmitJob(self, request, context):
        await self._note(request)
        if self.refusal is not None:
            await refuse(context, self.refusal)
        if request.validate_only:
            return pb.SubmitJobResponse(
                job=job_pb2.Job(spec=request.spec, plan_json=self.plan_json)
            )
        job = self._store(uuid.uuid4().hex, request.spec)
        answer = pb.SubmitJobResponse(job=job)
        if self.on_submit is not None:
            task = asyncio.create_task(self.on_submit(job.id))
            self._tasks.add(task)
        return answer

    async def GetJob(self, request, context):
        await self._note(request)
        return pb.GetJobResponse(job=await self._find(request.job, context))

    async def ListJobs(self, request, context):
        await self._note(request)
        jobs = [
            job
            for job in reversed(self.jobs.values())
            if not request.states or job.state in request.states
        ]
        first = int(request.page_token or 0)
        last = first + (request.page_size or 50)
        token = str(last) if last < len(jobs) else ""
        return pb.ListJobsResponse(jobs=jobs[first:last], next_page_token=token)

    async def CancelJob(self, request, context):
        await self._note(request)
        job = await self._find(request.job, context)
        if job.state not in TERMINAL:
            await self.emit(
                job.id,
                state_changed=event_pb2.StateChanged(
                    state=job_pb2.JOB_STATE_CANCELLED,
                    outcome=job_pb2.JobOutcome(
                        reason=job_pb2.OUTCOME_REASON_CANCELLED_BY_USER,
                        message="cancelled by its user",
                    ),
                ),
            )
        return pb.CancelJobResponse(job=job)

    async def WatchJob(self, request, context):
        await self._note(request)
        job = await self._find(request.job, context)
        messages = self._events_after(job.id, request.after_sequence)
        async for event in self._cut(messages, context):
            yield pb.WatchJobResponse(event=event)

    async def TailLog(self, request, context):
        await self._note(request)
        await self._find(request.job, context)
        async for piece in self._cut(self._log_after(request.offset), context):
            yield piece

    async def _events_after(self, job_id: str, sequence: int) -> AsyncIterator[event_pb2.JobEvent]:
        events = self.events[job_id]
        while True:
            while sequence < len(events):
                sequence += 1
                yield events[sequence - 1]
            if self.jobs[job_id].state in TERMINAL:
                return
            async with self._news:
                await self._news.wait_for(lambda seen=sequence: seen < len(events))

    async def _log_after(self, offset: int) -> AsyncIterator[pb.TailLogResponse]:
        # Pieces of seven bytes: characters are cut in their middle.
        for start in range(offset, len(self.log), 7):
            data = self.log[start : start + 7]
            yield pb.TailLogResponse(data=data, next_offset=start + len(data))

    async def _cut(self, messages, context):
        count, code = self.cuts.pop(0) if self.cuts else (-1, grpc.StatusCode.OK)
        async for message in messages:
            if count == 0:
                break
            count -= 1
            yield message
        if code is not grpc.StatusCode.OK:
            await context.abort(code, "cut by the test")

    async def _find(self, name: str, context) -> job_pb2.Job:
        found = [
            job
            for job in self.jobs.values()
            if job.spec.name == name or (len(name) >= 4 and job.id.startswith(name))
        ]
        if not found:
            message = f"there is no job `{name}`; `ftctl list` shows all"
            await refuse(context, Refusal(grpc.StatusCode.NOT_FOUND, "JOB_NOT_FOUND", message))
        return found[-1]

    async def _note(self, request: Message) -> None:
        copy = type(request)()
        copy.CopyFrom(request)
        self.requests.append(copy)
        async with self._news:
            self._news.notify_all()


def _advance(job: job_pb2.Job, event: event_pb2.JobEvent) -> None:
    """Let a job stand where its latest event leaves it."""
    job.last_sequence = event.sequence
    match event.WhichOneof("event"):
        case "state_changed":
            change = event.state_changed
            job.state, job.reason = change.state, change.reason
            if change.HasField("outcome"):
                job.outcome.CopyFrom(change.outcome)
                job.end_time.CopyFrom(event.time)
            if change.state == job_pb2.JOB_STATE_STARTING:
                job.start_time.CopyFrom(event.time)
                job.attempt += 1
                job.run_dir = f"/var/lib/finetuned/runs/{job.id}/1"
        case "planned":
            job.plan_json = event.planned.plan_json
        case "progress":
            job.progress.CopyFrom(event.progress)
        case "epoch":
            job.epochs.append(event.epoch)
        case "artifact":
            job.artifacts.append(event.artifact)


def plan_json(**changes: Any) -> str:
    """Return a plan as the planner writes it."""
    return json.dumps({**PLAN, **changes})


PLAN: dict[str, Any] = {
    "format": 1,
    "recipe_digest": "5e" * 32,
    "environment": {
        "torch": "2.15.0", "torchvision": "0.29.2", "python": "3.11.9", "cpu_capability": "AVX512",
    },
    "device": "cpu",
    "threads": 2,
    "layout": "channels_last",
    "precision": "fp32",
    "loader_workers": 1,
    "chunk": 16,
    "prefix": ["features"],
    "batch_size": 4,
    "accumulate": 1,
    "steps_per_epoch": 61,
    "steps": 1525,
    "epochs": 25,
    "data": {
        "source": "folder /data/hymenoptera",
        "classes": ["ants", "bees"],
        "train": {"images": 244, "per_class": [123, 121]},
        "val": {"images": 153, "per_class": [70, 83]},
        "channels": 3,
        "left_out": ["train/ants/imageNotFound.gif"],
        "fingerprint": "ab" * 32,
    },
    "preprocess": {
        "steps": {
            "resize": 256, "crop": 224, "interpolation": "bilinear",
            "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225],
        },
        "origin": "weights mobilenet_v2 IMAGENET1K_V1",
    },
    "weights": {
        "source": "IMAGENET1K_V1",
        "path": "/home/user/.cache/torch/hub/checkpoints/mobilenet_v2-b0353104.pth",
        "sha256": "b0353104" + "0" * 56,
        "tensors_loaded": 312,
        "tensors_new": ["classifier.1.weight", "classifier.1.bias"],
        "head": "new",
    },
    "groups": [
        {
            "name": "head", "tensors": 2, "parameters": 2562, "lr": 0.001, "weight_decay": 0.0,
            "names": ["classifier.1.weight", "classifier.1.bias"],
        }
    ],
    "parameters": 2226434,
    "parameters_trained": 2562,
    "batch_norm_eval": 52,
    "batch_norm_train": 0,
    "notices": ["1 file is no image and is left out: train/ants/imageNotFound.gif"],
}  # fmt: skip
