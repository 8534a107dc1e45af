"""Nets that are compared: what is asked reaches the comparer, what cannot be is told."""

import asyncio
import signal
from pathlib import Path
from typing import Any

import grpc
import pytest

from finetuned.v1 import similarity_service_pb2 as pb
from finetuned.v1 import similarity_service_pb2_grpc
from ftd.jobs.similarity import Checkpoint, Similarity
from ftd.jobs.zygote import Zygote
from fttrain.spec import rundir
from tests import engine
from tests.fakes import jobs
from tests.fakes.likener import LAYERS
from tests.fakes.listening import Line, reason
from tests.wait import wait_until


@pytest.fixture
async def ants(line: Line) -> str:
    """A job with a model."""
    return await trained(line, "ants")


async def trained(line: Line, name: str) -> str:
    job = await line.office.submit(jobs.request(name), request_id="")
    await line.office.start(job.id)
    await line.office.happen(job.id, jobs.artifact("model", f"/runs/{name}/model.safetensors"))
    return name


def request(first: str = "ants", second: str = "ants", **more: Any) -> pb.MeasureSimilarityRequest:
    sides = [pb.CheckpointRef(job=job, which=more.pop("which", "")) for job in (first, second)]
    return pb.MeasureSimilarityRequest(first=sides[0], second=sides[1], **more)


def called(line: Line, asked: pb.MeasureSimilarityRequest) -> Any:
    service = similarity_service_pb2_grpc.SimilarityServiceStub(line.channel)
    return service.MeasureSimilarity(asked, timeout=20)


async def test_what_is_asked_for_reaches_the_comparer_and_comes_back(line: Line, ants: str) -> None:
    other = await trained(line, "bees")

    told = await called(line, request(ants, other, picture=True))

    (asked,) = line.office.likener.asked
    assert asked["first"]["title"] == "ants/best"
    assert asked["second"]["net"] == "/runs/bees/model.safetensors"
    assert (asked["images"], asked["picture"]) == (128, True)
    assert (told.first.job_name, told.second.job_name) == ("ants", "bees")
    assert (told.first.which, told.first.epoch, told.images) == ("best", 2, 128)
    (layer,) = told.layers
    assert (layer.name, layer.weight_cosine, layer.cka) == ("conv1", 0.5, LAYERS[0]["cka"])
    assert not layer.HasField("bias_cosine")
    assert (list(told.only_first), list(told.only_second)) == (["fc.1"], [])
    assert list(told.notices) == ["fc has other shapes"]
    assert told.png == b"\x89PNG"


@pytest.mark.parametrize(
    ("second", "more", "code", "word", "message"),
    [
        (
            "ants",
            {"images": 1},
            "INVALID_ARGUMENT",
            "INVALID_ARGUMENT",
            "images: should be 2 to 1024, not 1",
        ),
        (
            "other",
            {},
            "INVALID_ARGUMENT",
            "INVALID_ARGUMENT",
            "second: ants/best is resnet18, other/best is vgg11: layers are compared",
        ),
        (
            "gone",
            {},
            "NOT_FOUND",
            "ARTIFACT_NOT_FOUND",
            "a net cannot be read: No such file; train the job again",
        ),
        (
            "crash",
            {},
            "UNAVAILABLE",
            "EVALUATOR_UNAVAILABLE",
            "the comparer broke off; its memory may have run out, ask again later",
        ),
    ],
)
async def test_what_cannot_be_compared_is_told(
    line: Line, ants: str, second: str, more: dict[str, Any], code: str, word: str, message: str
) -> None:
    if second != ants:
        await trained(line, second)

    with pytest.raises(grpc.aio.AioRpcError) as error:
        await called(line, request(ants, second, **more))

    assert error.value.code().name == code
    assert reason(error.value) == word
    assert error.value.details() == message


@pytest.mark.parametrize(
    ("which", "word", "message"),
    [
        (
            "first",
            "INVALID_ARGUMENT",
            "which: there is no checkpoint `first`; there are best and last",
        ),
        (
            "last",
            "ARTIFACT_NOT_FOUND",
            "job ants has no last checkpoint: it is running; `ftctl get ants` says more",
        ),
    ],
)
async def test_a_checkpoint_that_is_not_there_is_told(
    line: Line, ants: str, which: str, word: str, message: str
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await called(line, request(ants, which=which))

    assert reason(error.value) == word
    assert error.value.details() == message


async def test_a_comparer_is_ended_when_its_caller_hangs_up(line: Line, ants: str) -> None:
    await trained(line, "hang")
    call = called(line, request(ants, "hang"))
    await wait_until(lambda: bool(line.office.likener.under_way))
    (comparer,) = line.office.likener.under_way

    call.cancel()

    await wait_until(lambda: comparer.signals == [signal.SIGKILL])


# --- a real comparer ------------------------------------------------------------------------------


async def test_a_comparer_process_compares_a_run_with_itself(line: Line, tmp_path: Path) -> None:
    run = tmp_path / "run"
    await asyncio.to_thread(engine.trained, run, engine.digits(epochs=1))
    job = await line.office.submit(jobs.request("ants"), request_id="")
    started = await line.office.start(job.id, run_dir=str(run))
    of = Checkpoint(job=started, which="best", net=run / rundir.MODEL)

    async with Zygote(tmp_path / "zygote.log", reserve=0).running() as zygote:
        comparing = Similarity(zygote, folder=tmp_path / "calls")
        found = await comparing.measure(of, of, images=20, picture=True)

    assert found.png.startswith(b"\x89PNG")
    assert found.body["images"] == 20
    assert all(layer["relative_l2"] == 0.0 for layer in found.body["layers"])
    assert list((tmp_path / "calls").iterdir()) == []
