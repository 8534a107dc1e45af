"""Nets that are evaluated again: what is asked reaches the evaluator, what cannot be is told."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest
import pytest_asyncio

from finetuned.v1 import evaluation_service_pb2 as pb
from finetuned.v1 import evaluation_service_pb2_grpc
from ftd.errors import EvaluatorUnavailable
from ftd.jobs import evaluating
from ftd.jobs.evaluating import Evaluating, Given, Piece, Progress, Report, Wish
from ftd.jobs.model import JobState
from ftd.jobs.roots import Roots
from ftd.jobs.zygote import Zygote
from fttrain.spec import rundir
from tests import engine
from tests.fakes import jobs
from tests.fakes.assessor import SCORE
from tests.fakes.listening import Line, reason
from tests.fakes.supervising import COMMAND, daemon
from tests.photos import make_photo_folder
from tests.wait import wait_until

pytestmark = pytest.mark.asyncio(loop_scope="function")


@pytest.fixture
async def ants(line: Line) -> str:
    """A job with a model."""
    job = await line.office.submit(jobs.request("ants"), request_id="")
    await line.office.start(job.id)
    await line.office.happen(job.id, jobs.artifact("model", "/runs/1/artifacts/model.safetensors"))
    return job.id


def called(line: Line, **fields: Any) -> Any:
    service = evaluation_service_pb2_grpc.EvaluationServiceStub(line.channel)
    return service.EvaluateJob(pb.EvaluateJobRequest(**fields), timeout=20)


async def told(line: Line, **fields: Any) -> list[pb.EvaluateJobResponse]:
    return [response async for response in called(line, **fields)]


async def refused(line: Line, **fields: Any) -> tuple[str, str, str]:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await told(line, **{"job": "ants", **fields})
    assert list(line.office.evaluating._errands.folder.glob("evaluation-*")) == []
    return error.value.code().name, reason(error.value), error.value.details() or ""


async def test_a_report_follows_progress_and_files_follow_the_report(line: Line, ants: str) -> None:
    replies = await told(line, job="ants", verdicts=True, confusion=True)

    kinds = [str(reply.WhichOneof("step")) for reply in replies]
    assert kinds == ["progress", "report", "verdicts", "verdicts", "confusion"]
    assert (replies[0].progress.done, replies[0].progress.images) == (4, 4)
    assert b"".join(reply.verdicts for reply in replies) == b"v" * 300_000
    assert replies[-1].confusion == b"\x89PNG"
    report = replies[1].report
    score = report.evaluation.score
    assert {name: getattr(score, name) for name, value in SCORE.items() if value is not None} == {
        name: value for name, value in SCORE.items() if value is not None
    }
    assert not score.HasField("top5_accuracy")
    assert [each.label for each in report.evaluation.classes] == ["ants", "bees"]
    assert (report.evaluation.split, report.evaluation.epoch) == ("val", 2)
    assert [(each.name, each.why) for each in report.left_out] == [("a.jpg", "is cut short")]
    assert (report.left_out_count, list(report.notices)) == (1, ["no image of class `wasps`"])


async def test_what_is_asked_for_reaches_the_evaluator(
    line: Line, ants: str, tmp_path: Path
) -> None:
    await told(line, job="ants")
    await told(line, job="ants", split="train", confusion=True)
    await told(line, job="ants", path=str(tmp_path), allow_missing=True)

    assessor = line.office.evaluating._errands.fork.__self__  # type: ignore[attr-defined]
    own, train, given = assessor.asked
    assert own["model"] == "/runs/1/artifacts/model.safetensors"
    assert (own["run_dir"], own["images"], own["confusion"]) == ("/runs/1", "val", False)
    assert 1 <= own["threads"] <= evaluating.THREADS
    assert (train["images"], train["confusion"]) == ("train", True)
    assert given["images"] == {
        "path": str(tmp_path), "title": str(tmp_path), "allow_missing": True
    }  # fmt: skip
    report = (await told(line, job="ants", path=str(tmp_path)))[1].report
    assert report.evaluation.split == ""


@pytest.mark.parametrize(
    ("fields", "code", "word", "message"),
    [
        (
            {"split": "test"},
            "FAILED_PRECONDITION",
            "TEST_LOCKED",
            "the test images of ants are read once, by the job itself at its end: figures that "
            "can be asked for again and again are no test; `ftctl get ants` has what came of it",
        ),
        (
            {"path": "/data/tested"},
            "FAILED_PRECONDITION",
            "TEST_LOCKED",
            "4 of the 4 images of tested are test images of ants",
        ),
        (
            {"split": "vla"},
            "INVALID_ARGUMENT",
            "INVALID_ARGUMENT",
            "split: there are no images `vla`; there are val and train",
        ),
        (
            {"path": "/data/bad"},
            "INVALID_ARGUMENT",
            "INVALID_ARGUMENT",
            "bad has class `x`, which the model does not know",
        ),
        (
            {"path": "data"},
            "INVALID_ARGUMENT",
            "INVALID_ARGUMENT",
            "path: `data` is not absolute; say it from the root of the daemon's machine",
        ),
        (
            {"path": "/da\0ta"},
            "INVALID_ARGUMENT",
            "INVALID_ARGUMENT",
            "path: should be 1 to 4,096 characters, none of them NUL",
        ),
        (
            {"allow_missing": True},
            "INVALID_ARGUMENT",
            "INVALID_ARGUMENT",
            "allow_missing: is for given images; those of a job have all",
        ),
        (
            {"dataset": "pets"},
            "NOT_FOUND",
            "DATASET_NOT_FOUND",
            "no data set has the name `pets`; `ftctl dataset push NAME DIR` makes one, "
            "`ftctl dataset list` shows all",
        ),
        (
            {"path": "/data/gone"},
            "NOT_FOUND",
            "ARTIFACT_NOT_FOUND",
            "the net cannot be read: No such file; train the job again",
        ),
        (
            {"path": "/data/crash"},
            "UNAVAILABLE",
            "EVALUATOR_UNAVAILABLE",
            "the evaluator broke off; its memory may have run out, ask again later",
        ),
        (
            {"job": ""},
            "INVALID_ARGUMENT",
            "INVALID_ARGUMENT",
            "job: say which, by its id, the beginning of it, or its name",
        ),
    ],
)
async def test_what_cannot_be_evaluated_is_told(
    line: Line, ants: str, fields: dict[str, Any], code: str, word: str, message: str
) -> None:
    assert await refused(line, **fields) == (code, word, message)


async def test_paths_lie_within_the_roots(line: Line, ants: str, tmp_path: Path) -> None:
    line.office.roots = Roots([tmp_path / "data"])

    _, _, message = await refused(line, path=str(tmp_path / "other"))

    assert message.startswith(
        f"path: `{tmp_path}/other` lies outside the data roots of this daemon"
    )


async def test_a_job_without_a_net_says_what_to_do(line: Line) -> None:
    job = await line.office.submit(jobs.request("ants"), request_id="")
    waiting = await refused(line)
    await line.office.start(job.id)
    training = await refused(line)
    await line.office.move(job.id, JobState.FAILED)
    failed = await refused(line)

    assert waiting[:2] == training[:2] == failed[:2] == ("NOT_FOUND", "ARTIFACT_NOT_FOUND")
    assert waiting[2] == (
        "job ants has no checkpoint yet: it is queued, and no epoch of it has been evaluated; "
        "`ftctl watch ants` shows when"
    )
    assert "it is running, and no epoch" in training[2]
    assert failed[2] == (
        "job ants ended FAILED before an epoch was evaluated: it has no checkpoint; "
        "`ftctl get ants` says why"
    )


async def test_a_job_that_trains_is_evaluated_by_its_best_checkpoint(
    line: Line, tmp_path: Path
) -> None:
    job = await line.office.submit(jobs.request("ants"), request_id="")
    await line.office.start(job.id, run_dir=str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / rundir.BEST).touch()

    await told(line, job="ants")

    assessor = line.office.evaluating._errands.fork.__self__  # type: ignore[attr-defined]
    assert assessor.asked[-1]["model"] == str(tmp_path / rundir.BEST)


async def test_an_evaluator_is_ended_when_its_caller_hangs_up(line: Line, ants: str) -> None:
    call = called(line, job="ants", path="/data/hang")
    first = await call.read()
    assert first.progress.images == 4
    assessor = line.office.evaluating._errands.fork.__self__  # type: ignore[attr-defined]
    (evaluator,) = assessor.under_way
    assert evaluator.signals == []

    call.cancel()

    await wait_until(lambda: evaluator.signals == [signal.SIGKILL])
    folder = line.office.evaluating._errands.folder
    await wait_until(lambda: not list(folder.glob("evaluation-*")))


async def test_so_many_evaluate_at_a_time_and_others_wait(
    line: Line, ants: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assessor = line.office.evaluating._errands.fork.__self__  # type: ignore[attr-defined]
    calls = [called(line, job="ants", path="/data/hang") for _ in range(evaluating.EVALUATORS)]
    for call in calls:
        await call.read()

    waiting = asyncio.create_task(told(line, job="ants"))
    folder = line.office.evaluating._errands.folder
    await wait_until(lambda: len(list(folder.glob("evaluation-*"))) == evaluating.EVALUATORS + 1)

    assert len(assessor.under_way) == evaluating.EVALUATORS
    calls[0].cancel()
    assert (await waiting)[-1].WhichOneof("step") == "report"
    calls[1].cancel()


# --- real evaluators ------------------------------------------------------------------------


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def zygote(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Zygote]:
    async with Zygote(tmp_path_factory.mktemp("z") / "zygote.log", reserve=0).running() as zygote:
        yield zygote


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    photos = make_photo_folder(tmp_path_factory.mktemp("photos") / "photos", val_per_class=8)
    run_dir = tmp_path_factory.mktemp("runs") / "run"
    engine.trained(run_dir, engine.photos(photos, epochs=2))
    return run_dir


def wish(run_dir: Path, images: Given | str = "val", **more: Any) -> Wish:
    given = {"run_dir": str(run_dir), "model": run_dir / rundir.MODEL, **more}
    return Wish(**{"images": images, "verdicts": False, "confusion": False, **given})


def left_behind(folder: Path) -> list[Path]:
    return list(folder.iterdir())


def oom_score(pid: int) -> int:
    return int(Path(f"/proc/{pid}/oom_score_adj").read_text())


async def steps(evaluating_: Evaluating, wish_: Wish) -> list[Progress | Report | Piece]:
    return [step async for step in evaluating_.steps(wish_)]


@pytest.mark.asyncio(loop_scope="module")
async def test_an_evaluator_process_gives_the_digits_and_the_verdicts_of_the_run(
    zygote: Zygote, run: Path, tmp_path: Path
) -> None:
    found = await steps(Evaluating(zygote, folder=tmp_path), wish(run, verdicts=True))

    (evaluated,) = [each for each in engine.records(run) if each.kind == "evaluated"]
    (report,) = [step for step in found if isinstance(step, Report)]
    assert report.body["score"]["loss"] == evaluated.score.loss  # type: ignore[union-attr]
    assert report.body["score"]["correct"] == evaluated.score.correct  # type: ignore[union-attr]
    table = b"".join(step.data for step in found if isinstance(step, Piece))
    assert table == (run / "artifacts/verdicts.csv").read_bytes()
    assert left_behind(tmp_path) == []


@pytest.mark.asyncio(loop_scope="module")
async def test_an_evaluator_leaves_cores_and_accelerators_to_training(
    zygote: Zygote, run: Path, tmp_path: Path
) -> None:
    waits = tmp_path / "model.safetensors"
    os.mkfifo(waits)
    (tmp_path / "request.json").write_text(evaluating._request(wish(run, model=waits)))

    evaluator = await zygote.evaluate(tmp_path)
    try:
        process = psutil.Process(evaluator.pid)
        await wait_until(lambda: process.nice() == 15)
        assert process.cmdline()[0] == "finetuned evaluator"
        assert 500 < oom_score(evaluator.pid) < 1000  # before workers, after the spare one
    finally:
        evaluator.send(signal.SIGKILL)
        await evaluator.wait()
        evaluator.close()


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("act", "message"),
    [
        ("crash", "the evaluator broke off; its memory may have run out, ask again later"),
        ("hang", "no result within 0 hours; evaluate on fewer images"),
    ],
)
async def test_an_evaluator_that_fails_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, act: str, message: str
) -> None:
    monkeypatch.setattr(evaluating, "EVALUATE_S", 0.2 if act == "hang" else 30)
    async with Zygote(tmp_path / "zygote.log", COMMAND).running() as faulty:
        asked = Evaluating(faulty, folder=tmp_path / "calls")
        with pytest.raises(EvaluatorUnavailable) as error:
            await steps(asked, wish(tmp_path, model=Path("/nets", act)))

    assert str(error.value) == message
    assert left_behind(tmp_path / "calls") == []


async def test_a_daemon_takes_away_what_an_earlier_one_left(tmp_path: Path) -> None:
    left = tmp_path / "evaluations" / "evaluation-x"
    left.mkdir(parents=True)

    async with daemon(tmp_path) as supervisor:
        assert not left.exists()
        found = await steps(supervisor.evaluating, wish(tmp_path, model=Path("/nets/fine")))

    assert found[0] == Progress(done=0, images=3)
    assert isinstance(found[1], Report)
