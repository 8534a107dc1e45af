"""Jobs evaluated again from Python and from the command line, sync and async."""

import asyncio
import io
import json
import os

import grpc
import pytest

import ftctl
from finetuned.v1 import evaluation_service_pb2 as pb
from finetuned.v1 import job_pb2
from finetuned.v1.evaluation_service_pb2_grpc import add_EvaluationServiceServicer_to_server
from ftctl.evaluations import EvaluationProgress, EvaluationReport
from ftctl.scores import ClassScore, Evaluation, Score
from ftctl.view import console, evaluating
from tests.fakes.terminals import screen, start, terminal

JOB = {"name": "ants", "data": {"digits": {}}, "model": {"cnn": {}}, "train": {"epochs": 2}}


@pytest.fixture
def ants(fake):
    """A job that has ended."""
    with ftctl.Client(fake.socket) as client:
        handle = client.submit(JOB)
        fake.finish(handle)
        yield handle


class Listening:
    """Keeps what it is asked, and answers as it is told."""

    def __init__(self):
        self.asked = []
        self.replies = []
        self.is_asked, self.is_gone = asyncio.Event(), asyncio.Event()

    async def EvaluateJob(self, request, context):
        self.asked.append(request)
        self.is_asked.set()
        for reply in self.replies:
            yield reply
        try:
            if not self.replies:
                await asyncio.Event().wait()
        finally:
            self.is_gone.set()


@pytest.fixture
async def listening(tmp_path):
    """A daemon that knows of evaluations alone, and its socket."""
    service, server = Listening(), grpc.aio.server()
    add_EvaluationServiceServicer_to_server(service, server)
    server.add_insecure_port(f"unix:{tmp_path}/s")
    await server.start()
    service.socket = tmp_path / "s"
    yield service
    await server.stop(None)


def reported(**changes):
    score = job_pb2.Score(loss=1, accuracy=0.5, correct=1, count=2, accuracy_high=1)
    told = job_pb2.Evaluation(epoch=3, score=score)
    return pb.EvaluateJobResponse(
        report=pb.EvaluationReport(evaluation=told, images="/photos", **changes)
    )


# --- Python -----------------------------------------------------------------------------------


def test_a_job_says_how_well_its_net_does(ants):
    seen = []

    report = ants.evaluate(verdicts=True, confusion=True, on_progress=seen.append)

    done = ants.get()
    assert report.score == done.evaluations[0].score
    assert report.classes == done.evaluations[0].classes
    assert (report.evaluation.split, report.evaluation.epoch) == ("val", 2)
    assert report.images == "the validation images of ants"
    assert [(each.done, each.images) for each in seen] == [(0, 60), (60, 60)]
    assert report.verdicts.startswith(b"image,label,predicted,confidence\n")
    assert report.verdicts.count(b"\n") == 61
    assert report.confusion.startswith(b"\x89PNG")
    assert (report.left_out, report.left_out_count, report.notices) == ({}, 0, ())


async def test_files_that_are_not_asked_for_are_not_sent(fake, ants):
    async with ftctl.AsyncClient(fake.socket) as client:
        report = await client.evaluate("ants", split="train")

    assert (report.verdicts, report.confusion) == (b"", b"")
    assert report.evaluation.split == "train"


async def test_what_is_evaluated_on_reaches_the_daemon(listening, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    listening.replies = [
        reported(left_out=[{"name": "a.jpg", "why": "is cut"}], left_out_count=1, notices=["few"])
    ]
    async with ftctl.AsyncClient(listening.socket) as client:
        for data in ("", "photos/../val", "/photos", tmp_path / "x", "dataset:pets/val/"):
            report = await client.evaluate("ants", data=data, allow_missing=bool(data))

    images = [(each.WhichOneof("images"), each.path or each.dataset) for each in listening.asked]
    assert images == [
        ("split", ""), ("path", f"{tmp_path}/val"), ("path", "/photos"), ("path", f"{tmp_path}/x"),
        ("dataset", "pets/val"),
    ]  # fmt: skip
    assert [each.allow_missing for each in listening.asked] == [False, True, True, True, True]
    assert report.left_out == {"a.jpg": "is cut"}
    assert (report.left_out_count, report.notices) == (1, ("few",))


async def test_who_stops_waiting_hangs_up(listening):
    async with ftctl.AsyncClient(listening.socket) as client:
        waiting = asyncio.create_task(client.evaluate("ants"))
        await asyncio.wait_for(listening.is_asked.wait(), 20)

        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

        await asyncio.wait_for(listening.is_gone.wait(), 20)


async def test_an_evaluation_that_ends_without_a_result_is_told(listening):
    listening.replies = [pb.EvaluateJobResponse(progress=pb.EvaluationProgress(images=3))]
    async with ftctl.AsyncClient(listening.socket) as client:
        with pytest.raises(ftctl.DaemonError) as error:
            await client.evaluate("ants")

    assert str(error.value) == ("the daemon ended the evaluation without a result; evaluate again")


def test_a_relative_path_means_nothing_on_another_machine():
    client = ftctl.Client(server="elsewhere:1", token="ftd_x")

    with pytest.raises(ftctl.BadInput) as error:
        client.evaluate("ants", data="photos")

    assert str(error.value) == (
        "data: `photos` is relative, and the daemon is on another machine; say the absolute path "
        "there, or push the images with `ftctl dataset push` and say dataset:NAME"
    )


def test_locked_images_are_a_mistake_of_their_own(ants):
    with pytest.raises(ftctl.ImagesLocked) as error:
        ants.evaluate(split="test")

    assert isinstance(error.value, ftctl.BadInput)
    assert "read once, by the job itself" in str(error.value)


# --- the command line -------------------------------------------------------------------------

PAGE = """\
 model     ants, epoch 2
 images    60: the validation images of ants
 accuracy  75.0 % (70.0–80.0), 45 of 60 right
           balanced 75.0 %, calibration error 5.0 %, loss 0.7350

 class  images  recall %       95 %  precision %
 ants       30      73.3  55.6–85.8         73.3
 bees       30      76.7  59.1–88.2         76.7
"""


async def test_it_is_shown_as_a_page(call, ants):
    code, out, err = await call("evaluate", "ants")

    assert (code, err) == (0, "")
    assert out == PAGE


async def test_json_has_every_figure(call, ants):
    code, out, _ = await call("evaluate", "ants", "-o", "json")

    told = json.loads(out)
    assert code == 0
    assert told["job"] == "ants"
    assert told["evaluation"]["score"]["correct"] == 45
    assert told["evaluation"]["classes"][0] == {
        "label": "ants", "count": 30, "predicted": 30, "correct": 22, "recall": 22 / 30,
        "precision": 22 / 30,
    }  # fmt: skip
    assert not {"verdicts", "confusion"} & told.keys()


async def test_files_are_written_where_they_are_wanted(call, ants, tmp_path):
    table, picture = tmp_path / "v.csv", tmp_path / "c.png"

    code, out, _ = await call(
        "evaluate", "ants", "--verdicts", str(table), "--confusion", str(picture)
    )

    assert code == 0
    assert table.read_bytes() == ants.evaluate(verdicts=True).verdicts
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert f" files     {table}\n           {picture}\n" in out


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("nothing",), 2, "ftctl: no job has the name or id `nothing`"),
        (
            ("ants", "--split", "test"),
            2,
            "ftctl: the test images of ants are read once, by the job itself at its end: figures "
            "that can be asked for again and again are no test; `ftctl get ants` has what came of "
            "it\n",
        ),
        (
            ("ants", "--split", "val", "--data", "/photos"),
            2,
            "ftctl: say either split, for images of the job itself, or data, for others\n",
        ),
        (
            ("ants", "--allow-missing"),
            2,
            "ftctl: allow_missing: is for given images; those of a job have all\n",
        ),
        (
            ("ants", "--data", "dataset:pets"),
            2,
            "ftctl: no data set has the name `pets`; `ftctl dataset push NAME DIR` makes one, "
            "`ftctl dataset list` shows all\n",
        ),
        (
            ("ants", "--verdicts", "/nowhere/v.csv"),
            2,
            "ftctl: /nowhere/v.csv: cannot be written: No such file or directory\n",
        ),
    ],
)
async def test_mistakes_are_told(call, ants, words, code, said):
    answer, out, err = await call("evaluate", *words)

    assert (answer, out) == (code, "")
    assert err.startswith(said)


async def test_a_file_that_is_there_is_kept_unless_it_may_go(call, ants, tmp_path):
    table = tmp_path / "v.csv"
    table.write_text("mine")

    refused = await call("evaluate", "ants", "--verdicts", str(table))
    assert refused == (2, "", f"ftctl: {table}: is there already; --force replaces it\n")
    assert table.read_text() == "mine"

    code, _, _ = await call("evaluate", "ants", "--verdicts", str(table), "--force")
    assert code == 0
    assert table.read_text().startswith("image,")


async def test_a_job_that_has_no_epoch_yet_is_told(call, fake):
    with ftctl.Client(fake.socket) as client:
        client.submit(JOB)

    assert await call("evaluate", "ants") == (
        2,
        "",
        "ftctl: job ants has no checkpoint yet: it is queued, and no epoch of it has been "
        "evaluated; `ftctl watch ants` shows when\n",
    )


async def test_a_job_that_trains_is_evaluated_by_its_best_checkpoint(call, fake):
    with ftctl.Client(fake.socket) as client:
        fake.run_epoch(client.submit(JOB))

    code, out, _ = await call("evaluate", "ants")

    assert code == 0
    assert out.startswith(" model     ants, epoch 1\n")


async def test_an_evaluator_that_is_not_there_is_no_fault_of_the_user(call, fake, ants):
    fake.refuse_next("EvaluateJob", "EVALUATOR_UNAVAILABLE", "the evaluator broke off")

    assert await call("evaluate", "ants") == (3, "", "ftctl: the evaluator broke off\n")


# --- the page ---------------------------------------------------------------------------------


def report(classes=2, **changes):
    score = Score(
        loss=0.5, accuracy=0.9, correct=9, count=10, accuracy_low=0.6, accuracy_high=0.98,
        balanced_accuracy=0.9, top5_accuracy=0.99, calibration_error=0.02,
    )  # fmt: skip
    told = tuple(
        ClassScore(label=f"kind-{number}", count=number % 4, predicted=3, correct=number % 4 // 2)
        for number in range(classes)
    )
    evaluation = Evaluation(split="", epoch=7, score=score, classes=told)
    given = {"images": "/p", "left_out": {}, "left_out_count": 0, "notices": ()}
    return EvaluationReport(evaluation=evaluation, **{**given, **changes})


def page(told, files=()):
    out = io.StringIO()
    to = console.of(out)
    console.show(to, evaluating.lines("ants", told, files, to))
    return out.getvalue()


def test_classes_without_an_image_have_no_recall():
    lines = page(report(classes=1)).splitlines()

    assert lines[-1].split() == ["kind-0", "0", "–", "–", "0.0"]


def test_of_many_classes_those_are_shown_that_are_found_least():
    lines = page(report(classes=1000)).splitlines()

    assert lines[-1] == " the 30 of 1,000 classes that are found least; -o json has all"
    shown = lines[lines.index("") + 2 : -1]
    assert len(shown) == 30
    assert {line.split()[2] for line in shown} == {"0.0"}


def test_images_that_do_not_count_and_what_to_know_are_named():
    left_out = {f"{number}.jpg": "is cut\x1b short" for number in range(12)}

    told = page(report(left_out=left_out, left_out_count=1200, notices=("no image of `bees`",)))

    assert " left out  0.jpg is cut short\n" in told
    assert "           and 1,190 more\n" in told
    assert " notice    no image of `bees`\n" in told


async def test_in_a_terminal_what_is_shown_while_waiting_goes_away(fake, ants):
    ours, theirs = terminal(60)
    process = await start(fake, "evaluate", "ants", stdout=theirs, stderr=theirs)
    os.close(theirs)

    drawn = await screen(ours)
    await process.communicate()

    assert process.returncode == 0
    assert "accuracy" in drawn
    assert "75.0 % (70.0–80.0), 45 of 60 right" in drawn
    assert "evaluating" not in drawn.rpartition("accuracy")[2]


def test_progress_says_how_many_of_how_many():
    told = []
    waiting = evaluating.Waiting("ants", io.StringIO())
    waiting._status.update = lambda line: told.append(line.plain)

    waiting.at(EvaluationProgress(done=0, images=2000))
    waiting.at(EvaluationProgress(done=1000, images=2000))

    bars = "━" * 12 + "─" * 12
    assert told[1] == f"evaluating ants  {bars}  1,000 of 2,000 images"
