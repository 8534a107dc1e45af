"""Predictors beneath a zygote: those that answer, those that misbehave."""

import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from ftd.errors import ArtifactNotFound, BadImage, DaemonError, PredictorUnavailable
from ftd.jobs import disk, predicting
from ftd.jobs.intake import Part
from ftd.jobs.predicting import Answer, Predicting
from ftd.jobs.zygote import Zygote
from ftd.rpc import errors
from fttrain import predict
from fttrain.spec import rundir
from tests import engine
from tests.fakes.supervising import COMMAND, daemon
from tests.photos import make_photo_folder
from tests.wait import wait_until

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def faulty(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Zygote]:
    """A zygote whose predictors misbehave as their model is called."""
    log = tmp_path_factory.mktemp("faulty") / "zygote.log"
    async with Zygote(log, COMMAND).running() as zygote:
        yield zygote


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def zygote(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Zygote]:
    log = tmp_path_factory.mktemp("zygote") / "zygote.log"
    async with Zygote(log, reserve=0).running() as zygote:
        yield zygote


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_photo_folder(tmp_path_factory.mktemp("photos") / "photos", per_class=20)


@pytest.fixture(scope="module")
def model(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run_dir = tmp_path_factory.mktemp("runs") / "run"
    engine.trained(run_dir, engine.photos(photos, epochs=1))
    return run_dir / rundir.MODEL


async def answered(asked: Predicting, model: Path, images: Iterable[bytes]) -> list[Answer]:
    return [answer async for answer in asked.answers(model, parts(images))]


async def parts(images: Iterable[bytes]) -> AsyncIterator[Part]:
    for image in images:
        yield Part(data=image, is_last=True)


async def refused(asked: Predicting, model: Path, image: bytes = b"x") -> DaemonError:
    with pytest.raises(DaemonError) as error:
        await answered(asked, model, [image])
    return error.value


def left_behind(folder: Path) -> list[Path]:
    return list(folder.iterdir())


def victim_degree(pid: int) -> int:
    return int(Path(f"/proc/{pid}/oom_score_adj").read_text())


async def test_answers_are_what_the_engine_says_of_the_same_files(
    zygote: Zygote, model: Path, photos: Path, tmp_path: Path
) -> None:
    files = sorted((photos / "train").rglob("*.jpg"))
    assert len(files) == 40
    said = list(predict.predict(model, files))

    seen = await answered(
        Predicting(zygote, folder=tmp_path), model, [file.read_bytes() for file in files]
    )

    assert [each.label for each in seen] == [each.label for each in said]
    assert [each.probability for each in seen] == pytest.approx(
        [each.probability for each in said], abs=1e-6
    )
    assert all(dict(each.top).keys() == {"circles", "squares"} for each in seen)
    assert all(each.top[0] == (each.label, each.probability) for each in seen)
    assert left_behind(tmp_path) == []


async def test_the_engine_says_which_image_is_none(
    zygote: Zygote, model: Path, photos: Path, tmp_path: Path
) -> None:
    fine = (photos / "train" / "circles" / "000.jpg").read_bytes()
    answers = Predicting(zygote, folder=tmp_path).answers(model, parts([fine, b"no image", fine]))

    first = await anext(answers)
    with pytest.raises(BadImage) as error:
        await anext(answers)

    assert str(error.value) == ("image 2 is no image of a known kind: it begins with b'no image'")
    assert first.label in ("circles", "squares")


async def test_a_model_that_is_gone_or_damaged_is_told(zygote: Zygote, tmp_path: Path) -> None:
    asked, model = Predicting(zygote, folder=tmp_path / "calls"), tmp_path / "model.safetensors"

    gone = await refused(asked, model)
    model.write_bytes(b"nonsense")
    damaged = await refused(asked, model)

    assert isinstance(gone, ArtifactNotFound)
    assert isinstance(damaged, ArtifactNotFound)
    assert str(gone) == (
        f"the model cannot be read: there is no file or folder {model}; train the job again"
    )
    assert str(damaged).startswith(
        f"the model cannot be read: {model} is no whole safetensors file: "
    )


async def test_a_predictor_leaves_cores_and_accelerators_to_training(
    zygote: Zygote, model: Path, tmp_path: Path
) -> None:
    waits = tmp_path / "image-1"
    os.mkfifo(waits)
    request = {"model": str(model), "images": [waits.name], "threads": 2}
    (tmp_path / "request.json").write_text(json.dumps(request))

    predictor = await zygote.predict(tmp_path)
    try:
        process = psutil.Process(predictor.pid)
        await wait_until(lambda: process.nice() == 15)
        assert process.cmdline()[0] == "finetuned predictor"
        assert 500 < victim_degree(predictor.pid) < 1000  # before workers, after the spare one
    finally:
        predictor.send(signal.SIGKILL)
        await predictor.wait()
        predictor.close()


@pytest.mark.parametrize(
    ("act", "message"),
    [
        ("raise", "the predictor broke off: RuntimeError: nobody expected this"),
        ("crash", "the predictor broke off: without a word; its memory may have run out"),
        ("hang", "no answer within 0 s; the machine is busy, ask again later"),
    ],
)
async def test_a_predictor_that_fails_is_told(
    faulty: Zygote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, act: str, message: str
) -> None:
    monkeypatch.setattr(predicting, "PREDICT_S", 0.2 if act == "hang" else 30)

    error = await refused(Predicting(faulty, folder=tmp_path), Path("/models", act))

    assert isinstance(error, PredictorUnavailable)
    assert str(error) == message
    assert errors.status_of(error).code.name == "UNAVAILABLE"
    assert left_behind(tmp_path) == []


async def test_without_a_zygote_nobody_answers(tmp_path: Path) -> None:
    log = tmp_path / "zygote.log"
    async with Zygote(log, (sys.executable, "-c", "raise SystemExit(1)")).running() as dead:
        error = await refused(Predicting(dead, folder=tmp_path / "calls"), Path("/model"))

    assert str(error) == f"the zygote does not come up; see {log}"


async def test_a_disk_that_takes_nothing_is_told(faulty: Zygote, tmp_path: Path) -> None:
    asked = Predicting(faulty, folder=tmp_path / "calls")

    async def removing() -> AsyncIterator[Part]:
        for folder in (tmp_path / "calls").glob("*/*"):
            folder.rmdir()
        yield Part(data=b"x", is_last=True)

    with pytest.raises(PredictorUnavailable) as error:
        await anext(asked.answers(Path("/model"), removing()))

    assert str(error.value) == (
        "the daemon cannot keep the images: No such file or directory; its disk or folder needs "
        "a look"
    )


async def test_images_leave_the_daemon_room_on_its_disk(
    faulty: Zygote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "free_bytes", lambda folder: disk.RESERVE_BYTES - 1)

    error = await refused(Predicting(faulty, folder=tmp_path), Path("/model"))

    assert str(error) == (
        "the daemon's disk has no room for images; make room there, and ask again"
    )
    assert errors.status_of(error).code.name == "RESOURCE_EXHAUSTED"
    assert left_behind(tmp_path) == []


async def test_a_daemon_takes_away_what_an_earlier_one_left(tmp_path: Path) -> None:
    left = tmp_path / "predictions" / "call-x" / "from-1"
    left.mkdir(parents=True)

    async with daemon(tmp_path) as supervisor:
        assert not left.parent.exists()
        assert await answered(supervisor.predicting, Path("/models/fine"), [b"x"]) == [
            Answer(label="ants", probability=0.75, top=(("ants", 0.75),))
        ]
