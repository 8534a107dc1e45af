"""Images that are asked of a job's model: order, limits, ends; nothing stays behind."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from pathlib import Path
from typing import Any

import grpc
import pytest

from finetuned.v1 import job_service_pb2 as jobs
from finetuned.v1 import model_service_pb2 as pb
from ftd.jobs import intake
from ftd.jobs.model import EventKind, JobState, NewEvent
from tests.fakes.jobs import NOW
from tests.fakes.listening import Line, details, reason, rest, spec
from tests.fakes.oracle import Oracle
from tests.wait import wait_until


@pytest.fixture
async def ants(line: Line) -> str:
    """The name of a job that has made a model."""
    job_id = await submitted(line, "ants")
    await line.office.start(job_id)
    body = {"what": "model", "path": "/runs/1/artifacts/model.safetensors"}
    made = NewEvent(kind=EventKind.ARTIFACT, time=NOW, attempt=1, body=body)
    await line.office.happen(job_id, made)
    return "ants"


@pytest.fixture
def oracle(line: Line) -> Oracle:
    oracle = line.office.oracle
    assert isinstance(oracle, Oracle)
    return oracle


async def submitted(line: Line, name: str) -> str:
    reply = await line.jobs.SubmitJob(jobs.SubmitJobRequest(spec=spec(name)))
    return str(reply.job.id)


def requests(job: str, images: Iterable[bytes]) -> list[pb.PredictImagesRequest]:
    whole = [pb.PredictImagesRequest(data=image, is_last=True) for image in images]
    return [pb.PredictImagesRequest(job=job), *whole]


async def labels(line: Line, sent: Sequence[pb.PredictImagesRequest]) -> list[str]:
    return [reply.label for reply in await rest(line.models.PredictImages(iter(sent)))]


async def refused(call: Any) -> tuple[list[str], grpc.aio.AioRpcError]:
    """Return the labels that came, and the error after them."""
    seen: list[str] = []

    async def read() -> None:
        async for reply in call:
            seen.extend([reply.label])

    with pytest.raises(grpc.aio.AioRpcError) as error:
        await read()
    return seen, error.value


def left_behind(folder: Path) -> list[Path]:
    return list((folder / "predictions").glob("*"))


async def test_each_image_is_answered_with_its_classes(line: Line, ants: str) -> None:
    (reply,) = await rest(line.models.PredictImages(iter(requests(ants, [b"wings"]))))

    assert (reply.label, reply.probability) == ("wings", 0.75)
    assert [(each.label, each.probability) for each in reply.top] == [
        ("wings", 0.75), ("bees", 0.25),
    ]  # fmt: skip


async def test_answers_come_in_the_order_of_the_images(
    line: Line, ants: str, oracle: Oracle, tmp_path: Path
) -> None:
    images = [f"image {number}" for number in range(300)]

    assert await labels(line, requests(ants, map(str.encode, images))) == images

    assert oracle.batches == [32, 64, 128, 76]
    assert left_behind(tmp_path) == []


async def test_an_image_may_come_in_parts(line: Line, ants: str) -> None:
    parts = [
        pb.PredictImagesRequest(job=ants),
        pb.PredictImagesRequest(data=b"win"),
        pb.PredictImagesRequest(data=b"gs"),
        pb.PredictImagesRequest(is_last=True),
        pb.PredictImagesRequest(data=b"legs", is_last=True),
    ]

    assert await labels(line, parts) == ["wings", "legs"]


async def test_no_image_is_no_answer(line: Line, ants: str) -> None:
    assert await labels(line, requests(ants, [])) == []


async def test_large_images_go_in_smaller_batches(
    line: Line, ants: str, oracle: Oracle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "MOST_BATCH_BYTES", 10)

    assert await labels(line, requests(ants, [b"x" * 6] * 4)) == ["x" * 6] * 4

    assert oracle.batches == [2, 2]


async def test_the_first_answers_come_while_images_are_still_sent(line: Line, ants: str) -> None:
    go_on = asyncio.Event()

    async def slowly() -> AsyncIterator[pb.PredictImagesRequest]:
        for request in requests(ants, [b"early"] * 32):
            yield request
        await go_on.wait()
        yield pb.PredictImagesRequest(data=b"late", is_last=True)

    call = line.models.PredictImages(slowly())
    early = [(await call.read()).label for _ in range(32)]
    go_on.set()

    assert early == ["early"] * 32
    assert [reply.label for reply in await rest(call)] == ["late"]


async def test_an_image_that_cannot_be_read_is_named_after_the_answers_before_it(
    line: Line, ants: str, tmp_path: Path
) -> None:
    images = [b"fine"] * 40 + [b"bad", b"fine"]

    seen, error = await refused(line.models.PredictImages(iter(requests(ants, images))))

    assert seen == ["fine"] * 40
    assert (error.code(), reason(error)) == (grpc.StatusCode.INVALID_ARGUMENT, "BAD_IMAGE")
    assert error.details() == "image 41 is damaged: cut off; replace or remove it"
    assert 'key: "image"\n  value: "41"' in str(details(error)["ErrorInfo"])
    assert left_behind(tmp_path) == []


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        ({"MOST_IMAGES": 2}, "image 3: a call takes at most 2 images; make several"),
        ({"MOST_IMAGE_BYTES": 4}, "image 1: is larger than 0 MiB; scale it down"),
        ({"MOST_BYTES": 12}, "image 3: a call takes at most 0 GiB; make several"),
    ],
)
async def test_a_call_beyond_a_limit_is_refused_with_the_image(
    line: Line,
    ants: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    limit: dict[str, int],
    message: str,
) -> None:
    for name, value in limit.items():
        monkeypatch.setattr(intake, name, value)

    _, error = await refused(line.models.PredictImages(iter(requests(ants, [b"12345"] * 3))))

    assert (reason(error), error.details()) == ("INVALID_ARGUMENT", message)
    assert left_behind(tmp_path) == []


def test_the_limits_are_those_of_the_contract() -> None:
    assert (intake.MOST_IMAGES, intake.MOST_IMAGE_BYTES, intake.MOST_BYTES) == (
        10_000, 64 * 2**20, 2 * 2**30,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        ([], "job: say which, by its id, the beginning of it, or its name"),
        (
            [pb.PredictImagesRequest(job="ants", data=b"x", is_last=True)],
            "data: the first request names the job alone; send images after",
        ),
        (
            [*requests("ants", [b"x"]), pb.PredictImagesRequest(job="bees")],
            "job: the first request alone names it; make another call",
        ),
        (
            [*requests("ants", [b"x"]), pb.PredictImagesRequest(data=b"x")],
            "image 2: the call ended before it was whole; say `is_last` with its last part",
        ),
    ],
)
async def test_requests_out_of_order_are_refused(
    line: Line, ants: str, sent: list[pb.PredictImagesRequest], message: str
) -> None:
    _, error = await refused(line.models.PredictImages(iter(sent)))

    assert (reason(error), error.details()) == ("INVALID_ARGUMENT", message)


async def test_a_caller_who_never_begins_is_let_go(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "QUIET_S", 0.05)

    async def silent() -> AsyncIterator[pb.PredictImagesRequest]:
        await asyncio.Event().wait()
        yield pb.PredictImagesRequest()

    _, error = await refused(line.models.PredictImages(silent()))

    assert error.details() == "job: nothing came for 0 s; the first request names it"


async def test_a_caller_who_falls_silent_is_let_go(
    line: Line, ants: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "QUIET_S", 1.0)

    async def silent() -> AsyncIterator[pb.PredictImagesRequest]:
        yield pb.PredictImagesRequest(job=ants)
        await asyncio.Event().wait()

    _, error = await refused(line.models.PredictImages(silent()))

    assert error.details() == (
        "image 1: nothing came for 1 s; send it all again, and end the call after the last image"
    )
    assert left_behind(tmp_path) == []


async def test_a_job_without_a_model_says_what_to_do(line: Line) -> None:
    waiting, failed = await submitted(line, "waiting"), await submitted(line, "failed")
    await line.office.start(failed)
    told = []

    async def ask(name: str) -> None:
        _, error = await refused(line.models.PredictImages(iter(requests(name, [b"x"]))))
        assert (error.code(), reason(error)) == (grpc.StatusCode.NOT_FOUND, "ARTIFACT_NOT_FOUND")
        told.append(error.details())

    await ask("waiting")
    await ask("failed")
    await line.office.move(failed, JobState.FAILED)
    await ask("failed")
    await ask(waiting)

    assert told == [
        "job waiting has no model yet: it is still queued; wait for its end with `ftctl watch "
        "waiting`",
        "job failed has no model yet: it is still running; wait for its end with `ftctl watch "
        "failed`",
        "job failed ended FAILED before it had a model; `ftctl get failed` says why",
        told[0],
    ]


async def test_a_caller_who_leaves_ends_his_predictor(
    line: Line, ants: str, oracle: Oracle, tmp_path: Path
) -> None:
    call = line.models.PredictImages(iter(requests(ants, [b"hang"])))
    await oracle.hanging.wait()

    call.cancel()

    await wait_until(lambda: not left_behind(tmp_path))
    assert len(oracle.ended) == 1


async def test_an_unknown_job_is_told(line: Line) -> None:
    _, error = await refused(line.models.PredictImages(iter(requests("nothing", []))))

    assert reason(error) == "JOB_NOT_FOUND"
