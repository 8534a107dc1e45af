"""Pictures that are drawn again: what is asked for reaches the plotter, what cannot be is told."""

import json
from pathlib import Path

import grpc
import pytest

from finetuned.v1 import plot_service_pb2 as pb
from finetuned.v1 import plot_service_pb2_grpc
from fttrain import plotter
from tests.fakes import jobs
from tests.fakes.listening import Line, reason

LOG = pb.AXIS_SCALE_LOG


@pytest.fixture
async def ants(line: Line) -> str:
    """A job with an epoch and a matrix."""
    job_id = await submitted(line, "ants")
    made = jobs.artifact("data/confusion", "/runs/1/artifacts/confusion.json")
    await line.office.happen(job_id, jobs.epoch(), made)
    return "ants"


async def submitted(line: Line, name: str) -> str:
    job = await line.office.submit(jobs.request(name), request_id="")
    await line.office.start(job.id)
    return job.id


async def drawn(line: Line, request: pb.PlotJobRequest) -> bytes:
    plots = plot_service_pb2_grpc.PlotServiceStub(line.channel)
    return bytes((await plots.PlotJob(request, timeout=20)).png)


async def test_curves_are_drawn_of_what_is_known_of_the_epochs(line: Line, ants: str) -> None:
    asked = pb.PlotJobRequest(jobs=[ants], x=LOG, metrics=["loss"])

    request = json.loads(await drawn(line, asked))

    assert (request["kind"], request["x"], request["y"]) == ("curves", "log", None)
    assert request["metrics"] == ["loss"]
    (numbers,) = request["numbers"]
    assert numbers == {"title": "ants", "epochs": [jobs.epoch().body]}


async def test_other_pictures_are_drawn_of_the_numbers_that_the_job_left(
    line: Line, ants: str
) -> None:
    request = json.loads(await drawn(line, pb.PlotJobRequest(jobs=[ants], kind="confusion")))

    assert request["numbers"] == ["/runs/1/artifacts/confusion.json"]


async def test_several_jobs_come_in_the_order_in_which_they_are_named(
    line: Line, ants: str
) -> None:
    other = await submitted(line, "bees")
    await line.office.happen(other, jobs.epoch())

    request = json.loads(await drawn(line, pb.PlotJobRequest(jobs=["bees", ants])))

    assert [each["title"] for each in request["numbers"]] == ["bees", "ants"]


@pytest.mark.parametrize(
    ("request_", "code", "word", "message"),
    [
        (
            pb.PlotJobRequest(jobs=["ants"], kind="curve"),
            "INVALID_ARGUMENT",
            "INVALID_ARGUMENT",
            "kind: there is no picture `curve`; did you mean `curves`?",
        ),
        (
            pb.PlotJobRequest(jobs=["ants"], kind="predictions"),
            "NOT_FOUND",
            "ARTIFACT_NOT_FOUND",
            "job ants has nothing to draw as predictions; it is running, and leaves it at its end "
            "where `outputs` has it",
        ),
        (
            pb.PlotJobRequest(jobs=["ants"], x=7),  # type: ignore[arg-type]  # as a newer client
            "INVALID_ARGUMENT",
            "INVALID_ARGUMENT",
            "x: 7 is no scale that this daemon knows",
        ),
        (
            pb.PlotJobRequest(jobs=["ants"] * 9),
            "INVALID_ARGUMENT",
            "INVALID_ARGUMENT",
            "jobs: at most 8 in one picture, not 9",
        ),
        (
            pb.PlotJobRequest(),
            "INVALID_ARGUMENT",
            "INVALID_ARGUMENT",
            "job: say which, by its id, the beginning of it, or its name",
        ),
        (
            pb.PlotJobRequest(jobs=["ants"], metrics=["lr"]),
            "INVALID_ARGUMENT",
            "INVALID_ARGUMENT",
            "curves has no such metric",
        ),
        (
            pb.PlotJobRequest(jobs=["ants"], metrics=["calibration_error"]),
            "UNAVAILABLE",
            "PLOTTER_UNAVAILABLE",
            "the plotter broke off; its memory may have run out, ask again later",
        ),
    ],
)
async def test_what_cannot_be_drawn_is_told(
    line: Line, ants: str, request_: pb.PlotJobRequest, code: str, word: str, message: str
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await drawn(line, request_)

    assert (error.value.code().name, reason(error.value)) == (code, word)
    assert error.value.details() == message
    assert list(line.office.plotting._errands.folder.glob("plot-*")) == []


async def test_a_job_without_an_epoch_has_no_curves_yet(line: Line) -> None:
    await submitted(line, "ants")

    with pytest.raises(grpc.aio.AioRpcError) as error:
        await drawn(line, pb.PlotJobRequest(jobs=["ants"]))

    assert error.value.details() == "job ants has no curves yet: no epoch of it has ended"


# --- runs that come with the request -----------------------------------------------------------


def curve(title: str = "ants", *, epochs: int = 2) -> pb.Curve:
    return pb.Curve(
        title=title,
        stage_ends=[1],
        epochs=[
            pb.CurveEpoch(
                epoch=number, train_loss=0.5, train_accuracy=0.25, val_loss=0.75, val_accuracy=0.0
            )
            for number in range(1, epochs + 1)
        ],
    )


async def drawn_runs(line: Line, request: pb.PlotRunsRequest) -> bytes:
    plots = plot_service_pb2_grpc.PlotServiceStub(line.channel)
    return bytes((await plots.PlotRuns(request, timeout=20)).png)


async def test_runs_are_drawn_of_what_comes_with_the_request(line: Line) -> None:
    bare = pb.Curve(title="bees", epochs=[pb.CurveEpoch(epoch=0, val_loss=1, val_accuracy=0.5)])
    asked = pb.PlotRunsRequest(runs=[curve(), bare], y=LOG, metrics=["loss"])

    request = json.loads(await drawn_runs(line, asked))

    assert (request["kind"], request["y"], request["metrics"]) == ("runs", "log", ["loss"])
    first, second = request["numbers"]
    assert (first["title"], first["stage_ends"], len(first["epochs"])) == ("ants", [1], 2)
    assert first["epochs"][0] == {
        "epoch": 1, "repeat": 0,
        "train": {"loss": 0.5, "accuracy": 0.25}, "val": {"loss": 0.75, "accuracy": 0.0},
    }  # fmt: skip
    assert (second["epochs"][0]["train"], second["epochs"][0]["val"]) == (
        None, {"loss": 1.0, "accuracy": 0.5}
    )  # fmt: skip


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (pb.PlotRunsRequest(), "runs: 1 to 8 in one picture, not 0"),
        (pb.PlotRunsRequest(runs=[curve()] * 9), "runs: 1 to 8 in one picture, not 9"),
        (pb.PlotRunsRequest(runs=[curve("")]), "runs[0].title: 1 to 200 characters"),
        (
            pb.PlotRunsRequest(runs=[curve(), curve("bees", epochs=0)]),
            "runs[1]: bees has no curves yet: no epoch of it has ended",
        ),
        (
            pb.PlotRunsRequest(runs=[curve(epochs=20_001)]),
            "runs[0].epochs: at most 20,000, not 20,001",
        ),
        (
            pb.PlotRunsRequest(runs=[curve()], metrics=["loss"] * 17),
            "metrics: at most 16, not 17",
        ),
    ],
)
async def test_runs_that_cannot_be_drawn_are_told(
    line: Line, request_: pb.PlotRunsRequest, message: str
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await drawn_runs(line, request_)

    assert (error.value.code().name, reason(error.value)) == (
        "INVALID_ARGUMENT", "INVALID_ARGUMENT"
    )  # fmt: skip
    assert error.value.details() == message


def asked(folder: Path, **changes: object) -> None:
    request = {"kind": "curves", "x": None, "y": None, "metrics": [], "numbers": [], **changes}
    (folder / "request.json").write_text(json.dumps(request))


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep this process as eager as it is."""
    monkeypatch.setattr("os.nice", lambda steps: 0)


@pytest.mark.usefixtures("still")
def test_a_plotter_draws_numbers_that_it_is_given_and_those_in_files(tmp_path: Path) -> None:
    body = {"title": "ants", "epochs": [dict(jobs.epoch().body)]}
    (tmp_path / "curves.json").write_text(json.dumps(body))
    asked(tmp_path, x="log", numbers=[body, str(tmp_path / "curves.json")])

    assert plotter.main(tmp_path) == 0

    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.usefixtures("still")
@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"metrics": ["los"]}, "curves has no metric `los`; did you mean `loss`?"),
        (
            {"numbers": ["/nowhere/curves.json"]},
            "the numbers cannot be read: [Errno 2] No such file or directory: "
            "'/nowhere/curves.json'",
        ),
    ],
)
def test_a_plotter_says_what_it_cannot_draw(
    tmp_path: Path, changes: dict[str, object], why: str
) -> None:
    asked(tmp_path, **changes)

    assert plotter.main(tmp_path) == 0

    assert json.loads((tmp_path / "fault.json").read_text()) == {"why": why}
