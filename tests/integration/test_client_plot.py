"""`ftctl plot` and `client.plot`: a picture is asked for, and written where it is wanted."""

import os
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

import ftctl
from ftctl.cli import dispatch, parser
from ftctl.testing import FakeDaemon

JOB = {"name": "ants", "data": {"digits": {}}, "model": {"cnn": {}}, "train": {"epochs": 3}}
PNG = b"\x89PNG\r\n"
Call = Callable[..., Awaitable[tuple[int, str, str]]]


@pytest.fixture
def fake() -> Iterator[FakeDaemon]:
    with FakeDaemon(pace_s=None) as daemon:
        yield daemon


@pytest.fixture
def trained(fake: FakeDaemon) -> ftctl.Job:
    with ftctl.Client(fake.socket) as client:
        handle = client.submit(JOB)
        fake.run_epoch(handle)
        return client.get("ants")


@pytest.fixture
def call(
    fake: FakeDaemon,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Call:
    monkeypatch.chdir(tmp_path)

    async def run(*words: str) -> tuple[int, str, str]:
        given = ["--socket", str(fake.socket), *words]
        code = await dispatch.call(parser(given).parse_args(given))
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


@pytest.mark.usefixtures("trained")
async def test_a_picture_is_written_under_the_names_of_job_and_kind(
    call: Call, tmp_path: Path
) -> None:
    code, out, _ = await call("plot", "ants", "--x", "log", "--metric", "loss")

    assert (code, out) == (0, "ants-curves.png\n")
    assert (tmp_path / "ants-curves.png").read_bytes().startswith(PNG)


@pytest.mark.usefixtures("trained")
async def test_a_file_that_is_there_is_replaced_only_when_it_is_said(
    call: Call, tmp_path: Path
) -> None:
    place = tmp_path / "mine.png"
    place.write_text("mine")

    code, _, said = await call("plot", "ants", "--out", str(place))
    assert (code, said) == (2, f"ftctl: {place}: is there already; --force replaces it\n")
    assert place.read_text() == "mine"

    assert (await call("plot", "ants", "--out", str(place), "--force"))[0] == 0
    assert place.read_bytes().startswith(PNG)


@pytest.mark.usefixtures("trained")
async def test_a_place_that_cannot_be_written_is_told(call: Call, tmp_path: Path) -> None:
    place = tmp_path / "nowhere" / "mine.png"

    code, _, said = await call("plot", "ants", "--out", str(place))

    assert (code, said) == (
        2, f"ftctl: {place}: cannot be written: {os.strerror(2)}\n"
    )  # fmt: skip


@pytest.mark.usefixtures("trained")
async def test_what_the_job_has_not_is_told(call: Call) -> None:
    code, _, said = await call("plot", "ants", "confusion")

    assert (code, said) == (2, "ftctl: job ants has nothing to draw as confusion\n")


async def test_several_jobs_are_asked_for_at_once(fake: FakeDaemon, trained: ftctl.Job) -> None:
    with ftctl.Client(fake.socket) as client:
        assert client.plot("ants", trained.id, y="log").startswith(PNG)
        with pytest.raises(ftctl.JobNotFound):
            client.plot("ants", "bees")


async def test_a_plotter_that_broke_off_is_told(fake: FakeDaemon, trained: ftctl.Job) -> None:
    fake.refuse_next("PlotJob", "PLOTTER_UNAVAILABLE", "the plotter broke off")

    with ftctl.Client(fake.socket) as client, pytest.raises(ftctl.DaemonError) as error:
        client.plot(trained.id)

    assert str(error.value) == "the plotter broke off"
