"""JobService: decode, call, encode."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Iterable, Sequence
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from finetuned.v1 import job_pb2, job_service_pb2_grpc
from finetuned.v1 import job_service_pb2 as pb
from ftd.errors import ShuttingDown
from ftd.jobs.model import Attempt, Job, JobId, JobState
from ftd.rpc import artifacts, callers, checks, convert, log_tail
from ftd.rpc.office import Office
from ftd.rpc.telling import Telling
from fttrain.spec import rundir

T = TypeVar("T")


class JobService(job_service_pb2_grpc.JobServiceServicer):
    """Submits, watches and cancels jobs."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._is_closed = False
        self._changes: set[asyncio.Task[Any]] = set()
        self._telling = Telling()

    def close(self) -> None:
        """Accept no more jobs."""
        self._is_closed = True

    async def settle(self) -> None:
        """Wait for the changes that are begun."""
        await asyncio.gather(*self._changes, return_exceptions=True)

    async def SubmitJob(self, request: pb.SubmitJobRequest, context: Any) -> pb.SubmitJobResponse:
        """Submit a job, or only check and plan it."""
        self._refuse_when_closed()
        caller = callers.current()
        wanted = await self._office.roots.looked(
            partial(
                checks.job_request,
                request.spec,
                devices=self._office.devices,
                refusal=lambda path: self._office.roots.refusal(path, caller),
            )
        )
        request_id = checks.request_id(request.request_id)
        if request.validate_only:
            job = await self._office.validate(wanted, caller=caller)
        else:
            self._refuse_when_closed()
            job = await self._change(
                self._office.submit(wanted, request_id=request_id, caller=caller)
            )
        return pb.SubmitJobResponse(job=convert.job_to_proto(job))

    async def GetJob(self, request: pb.GetJobRequest, context: Any) -> pb.GetJobResponse:
        """Get one job."""
        job = await self._job(request.job)
        return pb.GetJobResponse(job=(await self._told([job]))[0])

    async def ListJobs(self, request: pb.ListJobsRequest, context: Any) -> pb.ListJobsResponse:
        """List a page of jobs, the latest first."""
        size = checks.page_size(request.page_size)
        jobs, token = await self._office.store.list(
            size,
            request.page_token,
            checks.listing(request),
            only_of=callers.current().only_of,
        )
        return pb.ListJobsResponse(jobs=await self._told(jobs), next_page_token=token)

    async def CancelJob(self, request: pb.CancelJobRequest, context: Any) -> pb.CancelJobResponse:
        """Cancel a job, or have it end after the epoch in progress."""
        end = self._office.finish if request.finish else self._office.cancel
        job = await self._change(end(checks.job_ref(request.job), caller=callers.current()))
        return pb.CancelJobResponse(job=(await self._told([job]))[0])

    async def PauseJob(self, request: pb.PauseJobRequest, context: Any) -> pb.PauseJobResponse:
        """Take a job off its devices."""
        ref = checks.job_ref(request.job)
        job = await self._change(self._office.pausing.pause(ref, caller=callers.current()))
        return pb.PauseJobResponse(job=(await self._told([job]))[0])

    async def ResumeJob(self, request: pb.ResumeJobRequest, context: Any) -> pb.ResumeJobResponse:
        """Let a paused job go on."""
        ref = checks.job_ref(request.job)
        job = await self._change(self._office.pausing.resume(ref, caller=callers.current()))
        return pb.ResumeJobResponse(job=(await self._told([job]))[0])

    async def DeleteJob(self, request: pb.DeleteJobRequest, context: Any) -> pb.DeleteJobResponse:
        """Delete an ended job."""
        ref = checks.job_ref(request.job)
        await self._change(self._office.delete(ref, caller=callers.current()))
        return pb.DeleteJobResponse()

    async def ListArtifacts(
        self, request: pb.ListArtifactsRequest, context: Any
    ) -> pb.ListArtifactsResponse:
        """List what a job has made."""
        job = await self._job(request.job)
        files = await asyncio.to_thread(lambda: list(artifacts.files(job)))
        return pb.ListArtifactsResponse(artifacts=map(convert.file_to_proto, files))

    async def PullArtifact(
        self, request: pb.PullArtifactRequest, context: Any
    ) -> AsyncGenerator[pb.PullArtifactResponse, None]:
        """Stream a file that a job has made."""
        offset = checks.not_negative("offset", request.offset)
        job = await self._job(request.job)
        async with aclosing(artifacts.read(job, request.kind, offset)) as pieces:
            async for piece in pieces:
                yield pb.PullArtifactResponse(
                    data=piece.data, size_bytes=piece.size_bytes, sha256=piece.sha256
                )

    async def WatchJob(
        self, request: pb.WatchJobRequest, context: Any
    ) -> AsyncGenerator[pb.WatchJobResponse, None]:
        """Stream a job's events."""
        after = checks.not_negative("after_sequence", request.after_sequence)
        job = await self._job(request.job)
        watched = self._office.broadcast.subscribe(job.id, after_sequence=after)
        async with aclosing(watched) as events:
            async for event in events:
                yield self._telling.of(event)

    async def TailLog(
        self, request: pb.TailLogRequest, context: Any
    ) -> AsyncGenerator[pb.TailLogResponse, None]:
        """Stream the log of a job's attempt."""
        job = await self._job(request.job)
        span = log_tail.Span(
            offset=checks.not_negative("offset", request.offset),
            last_lines=checks.not_negative("last_lines", request.last_lines),
        )
        tail = log_tail.follow if request.follow else log_tail.read
        async with aclosing(tail(self._office, job, span)) as pieces:
            async for piece in pieces:
                yield pb.TailLogResponse(data=piece.data, next_offset=piece.next_offset)

    async def _job(self, ref: str) -> Job:
        """Return the job that a caller means: another user's is not there for him."""
        only_of = callers.current().only_of
        return await self._office.store.get(checks.job_ref(ref), only_of=only_of)

    async def _told(self, jobs: Sequence[Job]) -> list[job_pb2.Job]:
        """Return jobs as the API tells them, with their attempts."""
        attempts: dict[str, list[Attempt]] = {job.id: [] for job in jobs}
        for attempt in await self._office.store.attempts(list(attempts)):
            attempts[attempt.job_id].append(attempt)
        paused = [job.id for job in jobs if job.state is JobState.PAUSED]
        pauses = await self._office.store.pause_times(paused)
        now = self._office.now()
        asked = await asyncio.to_thread(_asked_to_finish, jobs)
        return [
            convert.job_to_proto(
                job,
                attempts[job.id],
                now=now,
                is_finishing=job.id in asked,
                pause_time=pauses.get(job.id),
            )
            for job in jobs
        ]

    def _refuse_when_closed(self) -> None:
        if self._is_closed:
            raise ShuttingDown("the daemon stops and takes no more jobs; submit it again later")

    async def _change(self, work: Coroutine[Any, Any, T]) -> T:
        """Let a change that is begun come to its end, also where its caller goes away."""
        task = asyncio.create_task(work, name="rpc-change")
        self._changes.add(task)
        task.add_done_callback(self._changes.discard)
        return await asyncio.shield(task)


def _asked_to_finish(jobs: Iterable[Job]) -> set[JobId]:
    """Return which jobs train and were asked to end after the epoch in progress."""
    trains = (JobState.STARTING, JobState.RUNNING)
    return {
        job.id for job in jobs if job.state in trains and rundir.is_to_finish(Path(job.run_dir))
    }
