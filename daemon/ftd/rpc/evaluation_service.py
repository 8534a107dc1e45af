"""EvaluationService: decode, call, encode."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Any

from finetuned.v1 import evaluation_service_pb2 as pb
from finetuned.v1 import evaluation_service_pb2_grpc, job_pb2
from ftd.datasets import paths
from ftd.errors import DatasetNotFound, InvalidRequest
from ftd.jobs import evaluating
from ftd.jobs.callers import Caller
from ftd.jobs.evaluating import Given, Piece, Progress, Report, Wish
from ftd.jobs.model import Job
from ftd.rpc import callers, checks
from ftd.rpc.office import Office

MOST_PATH = 4096
"""Characters."""
MOST_LEFT_OUT = 1000
"""Named in a report."""


class EvaluationService(evaluation_service_pb2_grpc.EvaluationServiceServicer):
    """Evaluates the nets of jobs again."""

    def __init__(self, office: Office) -> None:
        self._office = office

    async def EvaluateJob(
        self, request: pb.EvaluateJobRequest, context: Any
    ) -> AsyncGenerator[pb.EvaluateJobResponse, None]:
        """Stream how far an evaluation is, and what comes of it."""
        caller = callers.current()
        job = await self._office.store.get(checks.job_ref(request.job), only_of=caller.only_of)
        images = await self._images(request, job, caller)
        wish = Wish(
            run_dir=job.run_dir,
            model=await asyncio.to_thread(evaluating.net_of, job),
            images=images,
            verdicts=request.verdicts,
            confusion=request.confusion,
        )
        async with aclosing(self._office.evaluating.steps(wish)) as steps:
            async for step in steps:
                yield _to_proto(step)

    async def _images(
        self, request: pb.EvaluateJobRequest, job: Job, caller: Caller
    ) -> Given | str:
        match request.WhichOneof("images"):
            case "path":
                path = await self._office.roots.looked(partial(self._path, request.path, caller))
                return _given(request, path, request.path)
            case "dataset":
                folder = await self._folder(request.dataset, caller)
                return _given(request, folder, f"dataset:{request.dataset}")
        if request.allow_missing:
            raise InvalidRequest("allow_missing: is for given images; those of a job have all")
        return evaluating.split_of(job, request.split)

    def _path(self, path: str, caller: Caller) -> str:
        if not path or len(path) > MOST_PATH or "\0" in path:
            raise InvalidRequest(f"path: should be 1 to {MOST_PATH:,} characters, none of them NUL")
        if not path.startswith("/"):
            raise InvalidRequest(
                f"path: {paths.shown(path)} is not absolute; say it from the root of the daemon's "
                "machine"
            )
        if (refusal := self._office.roots.refusal(path, caller)) is not None:
            raise InvalidRequest(f"path: {refusal}")
        return path

    async def _folder(self, ref: str, caller: Caller) -> str:
        """Return where a data set, or a folder in it, lies: NAME, NAME/FOLDER, USER/NAME..."""
        records, versions = self._office.store.datasets, self._office.datasets.versions
        parts = ref.split("/")
        if len(ref) > MOST_PATH:
            raise InvalidRequest(f"dataset: should be at most {MOST_PATH:,} characters")
        try:
            found, rest = await records.find(parts[0], caller), parts[1:]
        except DatasetNotFound:
            if len(parts) == 1:
                raise
            found, rest = await records.find("/".join(parts[:2]), caller), parts[2:]
        if rest and (why := paths.fault("/".join(rest))) is not None:
            raise InvalidRequest(f"dataset: {why}")
        return str(Path(versions, found.digest, *rest))


def _given(request: pb.EvaluateJobRequest, path: str, title: str) -> Given:
    return Given(path=path, title=title, allow_missing=request.allow_missing)


def _to_proto(step: Progress | Report | Piece) -> pb.EvaluateJobResponse:
    match step:
        case Progress():
            told = pb.EvaluationProgress(done=step.done, images=step.images)
            return pb.EvaluateJobResponse(progress=told)
        case Report():
            return pb.EvaluateJobResponse(report=_report(step))
        case Piece(what="verdicts"):
            return pb.EvaluateJobResponse(verdicts=step.data)
    return pb.EvaluateJobResponse(confusion=step.data)


def _report(report: Report) -> pb.EvaluationReport:
    body = report.body
    left_out = list(body["left_out"].items())
    return pb.EvaluationReport(
        evaluation=job_pb2.Evaluation(
            split=report.split,
            epoch=body["epoch"],
            score=job_pb2.Score(**body["score"]),
            classes=[job_pb2.ClassScore(**each) for each in body["classes"]],
        ),
        images=body["images"],
        left_out=[pb.LeftOutImage(name=name, why=why) for name, why in left_out[:MOST_LEFT_OUT]],
        left_out_count=len(left_out),
        notices=body["notices"],
    )
