"""`ftctl compare` and `client.compare`: jobs and files, tables and pictures, and every mistake."""

import csv
import io
import json
import os
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

import ftctl
from ftctl.cli import completion, dispatch, parser
from ftctl.testing import FakeDaemon

JOB = {"name": "ants", "data": {"digits": {}}, "model": {"cnn": {}}, "train": {"epochs": 3}}
BEES = {**JOB, "name": "bees", "train": {"epochs": 4, "batch_size": 16}}
PNG = b"\x89PNG\r\n"
Call = Callable[..., Awaitable[tuple[int, str, str]]]


@pytest.fixture
def fake() -> Iterator[FakeDaemon]:
    with FakeDaemon(devices=4, pace_s=None) as daemon:
        yield daemon


@pytest.fixture
def client(fake: FakeDaemon) -> Iterator[ftctl.Client]:
    with ftctl.Client(fake.socket) as connected:
        yield connected


@pytest.fixture
def done(fake: FakeDaemon, client: ftctl.Client) -> list[ftctl.Job]:
    """Two jobs that have ended."""
    for job in (JOB, BEES):
        fake.finish(client.submit(job))
    return [client.get("ants"), client.get("bees")]


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


@pytest.mark.usefixtures("done")
async def test_two_jobs_are_a_table(call: Call) -> None:
    code, out, err = await call("compare", "ants", "bees")

    lines = out.splitlines()
    assert (code, err) == (0, "")
    assert lines[0].split() == ["ants", "bees"]
    assert any(line.split()[:1] == ["train.batch_size"] for line in lines)
    assert any(line.startswith("best accuracy %") for line in lines)
    assert "bees differs in 2 settings, confounded: train.epochs, train.batch_size" in lines


@pytest.mark.usefixtures("done")
async def test_the_baseline_may_be_another_than_the_first(call: Call) -> None:
    _, out, _ = await call("compare", "ants", "bees", "--baseline", "bees")

    assert out.splitlines()[0].split() == ["bees", "ants"]


def test_images_are_tested_where_both_jobs_left_their_verdicts(
    client: ftctl.Client, done: list[ftctl.Job]
) -> None:
    (pair,) = client.compare([done[0].id, "bees"]).pairs

    assert pair.mcnemar is not None
    assert pair.mcnemar.images == 60
    assert pair.why_not == ""


async def test_a_job_under_way_is_shown_as_such(
    fake: FakeDaemon, client: ftctl.Client, call: Call
) -> None:
    fake.run_epoch(client.submit(JOB))
    client.submit(BEES)

    code, out, _ = await call("compare", "ants", "bees", "-o", "markdown")

    assert code == 0
    assert "- ants is under way (running, after 1 epoch): its figures may change" in out
    assert "- bees is under way (" in out
    assert "- bees: no McNemar test, for ants is not done and has no verdicts yet" in out


@pytest.mark.usefixtures("done")
async def test_what_json_prints_is_a_file_to_compare_with(call: Call, tmp_path: Path) -> None:
    _, both, _ = await call("compare", "ants", "bees", "-o", "json")
    _, one, _ = await call("compare", "bees", "-o", "json")
    _, plain, _ = await call("get", "bees", "-o", "json")
    _, epochs, _ = await call("metrics", "bees", "-o", "json")
    for name, text in {"both": both, "one": one, "plain": plain, "epochs": epochs}.items():
        (tmp_path / f"{name}.json").write_text(text)

    assert (await call("compare", "both.json", "-o", "json"))[1] == both
    _, out, _ = await call("compare", "ants", "./one.json", "-o", "json")
    assert json.loads(out)["pairs"] == json.loads(both)["pairs"]
    _, out, _ = await call("compare", "ants", "plain.json", "-o", "markdown")
    assert "- bees: no McNemar test, for bees has no verdicts in its file; " in out
    _, out, _ = await call("compare", "ants", "epochs.json", "-o", "markdown")
    assert "- epochs: the settings are not known, so what differs cannot be told" in out


@pytest.mark.usefixtures("done")
async def test_files_alone_need_no_daemon(call: Call, fake: FakeDaemon, tmp_path: Path) -> None:
    _, both, _ = await call("compare", "ants", "bees", "-o", "json")
    (tmp_path / "both.json").write_text(both)
    fake.stop()

    code, out, err = await call("compare", "both.json", "--baseline", "bees")

    assert (code, err) == (0, "")
    assert out.splitlines()[0].split() == ["bees", "ants"]


@pytest.mark.usefixtures("done")
async def test_csv_has_a_line_per_job(call: Call) -> None:
    _, out, _ = await call("compare", "ants", "bees", "-o", "csv")

    assert [row["run"] for row in csv.DictReader(io.StringIO(out))] == ["ants", "bees"]


@pytest.mark.usefixtures("done")
async def test_curves_of_jobs_and_files_are_drawn_into_one_picture(
    call: Call, fake: FakeDaemon, tmp_path: Path
) -> None:
    _, told, _ = await call("metrics", "bees", "-o", "json")
    (tmp_path / "theirs.json").write_text(told)

    words = ("compare", "ants", "theirs.json", "--plot", "both.png", "--x", "log", "--y", "log")
    code, _, _ = await call(*words)

    assert code == 0
    assert (tmp_path / "both.png").read_bytes().startswith(PNG)
    assert fake.calls.count("PlotRuns") == 1
    code, _, said = await call(*words)
    assert (code, said) == (2, "ftctl: both.png: is there already; --force replaces it\n")
    assert (await call(*words, "--force"))[0] == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["ants"], "ants alone cannot be compared; name at least two jobs or exported files"),
        (["ants", "ants"], "ants ({}) is there twice; name each job once"),
        (["ants", "wasps"], "no job has the name or id `wasps`; `ftctl list` shows the "
                               "names and ids of all"),
        (["ants", "theirs.json"], f"theirs.json cannot be read: {os.strerror(2)}"),
        (["ants", "bees", "--baseline", "x"],
         "the baseline x is not among what is compared: ants, bees"),
        (["ants", "bees", "--x", "log"],
         "--x is about a picture; say where to draw it: --plot FILE.png"),
        (["ants", "bees", "--metric", "loss"],
         "--metric is about a picture; say where to draw it: --plot FILE.png"),
        (["ants", "bees", "--plot", "a.svg"],
         "--plot a.svg: what is drawn is a PNG file; name it so, FILE.png"),
        (["ants", "bees", "--plot", "no/where.png"],
         f"no/where.png: cannot be written: {os.strerror(2)}"),
    ],
)  # fmt: skip
async def test_mistakes_are_told(
    call: Call, done: list[ftctl.Job], words: list[str], told: str
) -> None:
    code, out, said = await call("compare", *words)

    assert (code, out) == (2, "")
    assert said.splitlines()[0] == f"ftctl: {told.format(done[0].id[:8])}"


async def test_without_an_epoch_there_is_nothing_to_draw(call: Call, client: ftctl.Client) -> None:
    client.submit(JOB)
    client.submit(BEES)

    code, _, said = await call("compare", "ants", "bees", "--plot", "both.png")

    assert (code, said) == (
        2, "ftctl: there is nothing to draw: no epoch of these jobs has ended\n"
    )  # fmt: skip


async def test_more_than_eight_jobs_are_a_table_and_no_picture(
    call: Call, fake: FakeDaemon, client: ftctl.Client
) -> None:
    names = [f"ants-{number}" for number in range(9)]
    for name in names:
        fake.finish(client.submit({**JOB, "name": name}))

    assert (await call("compare", *names))[0] == 0
    code, _, said = await call("compare", *names, "--plot", "all.png")
    assert (code, said) == (2, "ftctl: --plot draws at most 8 jobs, not 9\n")


@pytest.mark.usefixtures("done")
async def test_both_clients_compare_alike(fake: FakeDaemon, client: ftctl.Client) -> None:
    async with ftctl.AsyncClient(fake.socket) as other:
        compared = await other.compare(["ants", "bees"])
        picture = await other.plot_runs(compared.runs, metrics=["loss"])

    assert repr(compared) == repr(client.compare(["ants", "bees"]))
    assert isinstance(compared, ftctl.Comparison)
    assert "best accuracy %" in compared._repr_html_()
    assert picture.startswith(PNG)


@pytest.mark.usefixtures("done")
async def test_the_shell_completes_jobs(fake: FakeDaemon) -> None:
    words = ["--socket", str(fake.socket), "compare", "ants", ""]

    assert set(await completion.candidates(words)) == {"ants", "bees"}
