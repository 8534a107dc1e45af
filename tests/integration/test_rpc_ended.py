"""What is left of an ended job: its files are listed and pulled, and all of it is deleted."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest

from finetuned.v1 import job_service_pb2 as pb
from ftd.jobs.model import EventKind, JobState, NewEvent
from tests.fakes.jobs import NOW
from tests.fakes.listening import Line, listening, reason, rest, spec

MODEL = bytes(range(256)) * 4096 + b"the end"


@pytest.fixture
async def line(tmp_path: Path) -> AsyncIterator[Line]:
    async with listening(tmp_path) as line:
        yield line


async def trained(line: Line, folder: Path, name: str = "ants") -> str:
    """Bring a job to a good end that has made a model, and a picture that is gone."""
    reply = await line.jobs.SubmitJob(pb.SubmitJobRequest(spec=spec(name)))
    job_id = str(reply.job.id)
    await line.office.start(job_id, run_dir=str(folder))
    path = folder / "model.safetensors"
    await asyncio.to_thread(path.write_bytes, MODEL)
    for what, made in (("model", path), ("picture/curves", folder / "gone.png")):
        body = {"what": what, "path": str(made)}
        event = NewEvent(kind=EventKind.ARTIFACT, time=NOW, attempt=1, body=body)
        await line.office.happen(job_id, event)
    await line.office.succeed(job_id)
    return job_id


async def refused(call: object) -> tuple[str, str, str]:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await call  # type: ignore[misc]
    return error.value.code().name, reason(error.value), str(error.value.details())


async def test_what_is_still_there_is_listed_with_its_size(line: Line, tmp_path: Path) -> None:
    await trained(line, tmp_path)

    reply = await line.jobs.ListArtifacts(pb.ListArtifactsRequest(job="ants"))

    assert [(a.kind, a.name, a.size_bytes) for a in reply.artifacts] == [
        ("model", "model.safetensors", len(MODEL))
    ]


@pytest.mark.parametrize("offset", [0, 1, 256 * 1024, len(MODEL) - 1, len(MODEL), 2**40])
async def test_a_file_is_pulled_from_any_position_with_the_digest_of_the_whole(
    line: Line, tmp_path: Path, offset: int
) -> None:
    await trained(line, tmp_path)
    request = pb.PullArtifactRequest(job="ants", kind="model", offset=offset)

    pieces = await rest(line.jobs.PullArtifact(request))

    assert b"".join(piece.data for piece in pieces) == MODEL[offset:]
    assert {piece.size_bytes for piece in pieces} == {len(MODEL)}
    digest = hashlib.sha256(MODEL).hexdigest()
    assert [piece.sha256 for piece in pieces] == [""] * (len(pieces) - 1) + [digest]


async def test_a_file_that_is_not_there_is_answered_with_those_that_are(
    line: Line, tmp_path: Path
) -> None:
    await trained(line, tmp_path)
    waiting = await line.jobs.SubmitJob(pb.SubmitJobRequest(spec=spec("bees")))

    async def pulled(job: str, kind: str) -> tuple[str, str, str]:
        call = line.jobs.PullArtifact(pb.PullArtifactRequest(job=job, kind=kind))
        return await refused(rest(call))

    missing = ("NOT_FOUND", "ARTIFACT_NOT_FOUND")
    told = "job ants has no artifact `{}`; it has model"
    assert await pulled("ants", "modle") == (*missing, told.format("modle"))
    assert await pulled("ants", "picture/curves") == (*missing, told.format("picture/curves"))
    told = "job bees has no artifact `model`; it has made none yet"
    assert await pulled("bees", "model") == (*missing, told)
    await line.office.move(waiting.job.id, JobState.FAILED)
    told = "job bees has no artifact `model`; it ended FAILED before it made one"
    assert await pulled("bees", "model") == (*missing, told)


async def test_a_deleted_job_is_gone_with_its_events(line: Line, tmp_path: Path) -> None:
    job_id = await trained(line, tmp_path)

    await line.jobs.DeleteJob(pb.DeleteJobRequest(job="ants"))

    told = f"no job has the name or id `{job_id}`"
    code, why, message = await refused(line.jobs.GetJob(pb.GetJobRequest(job=job_id)))
    assert (code, why) == ("NOT_FOUND", "JOB_NOT_FOUND")
    assert message.startswith(told)
    assert await line.office.store.events(job_id, 0, 10) == []
    assert (await line.jobs.ListJobs(pb.ListJobsRequest())).jobs == []


async def test_a_job_that_goes_on_or_is_needed_is_not_deleted(line: Line, tmp_path: Path) -> None:
    await trained(line, tmp_path)
    await line.jobs.SubmitJob(pb.SubmitJobRequest(spec=spec("bees", after=["ants"])))

    delete = line.jobs.DeleteJob
    assert await refused(delete(pb.DeleteJobRequest(job="bees"))) == (
        "FAILED_PRECONDITION",
        "JOB_NOT_ENDED",
        "job bees is queued; cancel it first (`ftctl cancel bees`), or wait until it has ended",
    )
    assert await refused(delete(pb.DeleteJobRequest(job="ants"))) == (
        "FAILED_PRECONDITION",
        "JOB_IN_USE",
        "job ants is needed by bees, which has not ended; delete it when that has ended",
    )
    await line.jobs.CancelJob(pb.CancelJobRequest(job="bees"))
    await delete(pb.DeleteJobRequest(job="ants"))


async def test_a_job_that_was_asked_to_end_says_so_while_it_goes_on(
    line: Line, tmp_path: Path
) -> None:
    reply = await line.jobs.SubmitJob(pb.SubmitJobRequest(spec=spec("ants")))
    await line.office.start(reply.job.id, run_dir=str(tmp_path))

    before = await line.jobs.GetJob(pb.GetJobRequest(job="ants"))
    asked = await line.jobs.CancelJob(pb.CancelJobRequest(job="ants", finish=True))
    await line.office.succeed(reply.job.id)
    ended = await line.jobs.GetJob(pb.GetJobRequest(job="ants"))

    told = [each.job.is_finishing for each in (before, asked, ended)]
    assert told == [False, True, False]
