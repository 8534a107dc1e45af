"""Images asked about from Python and from the command line, sync and async."""

import asyncio
import json
import os
import re

import grpc
import pytest

import ftctl
from finetuned.v1 import model_service_pb2 as pb
from finetuned.v1.model_service_pb2_grpc import add_ModelServiceServicer_to_server
from ftctl import predictions
from ftctl.cli import main
from ftctl.testing import FakeDaemon
from tests.fakes.terminals import screen, start, terminal

# The fake daemon looks at the beginning alone.
PNG = b"\x89PNG\r\n\x1a\n"
JOB = {
    "name": "ants-bees",
    "data": {"digits": {}},
    "model": {"cnn": {}},
    "train": {"epochs": 1},
}


@pytest.fixture
def fake():
    with FakeDaemon() as fake:
        yield fake


@pytest.fixture
def client(fake):
    with ftctl.Client(fake.socket) as client:
        client.submit(JOB)
        yield client


@pytest.fixture
def photos(tmp_path):
    """A folder of 40 images, some of them beneath it, and of what is none."""
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    for number in range(40):
        place = folder if number < 35 else folder / "more"
        (place / f"{number:02}.png").write_bytes(PNG + bytes([number]))
    (folder / "notes.txt").write_text("sunny")
    (folder / ".hidden.png").write_bytes(b"")
    return folder


@pytest.fixture
def asked(fake, capsys):
    def run(*words):
        code = main(["--socket", str(fake.socket), "predict", *map(str, words)])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


def both(fake, job, paths):
    """Ask both clients; return the answers and the error in which each ends."""

    async def later():
        async with ftctl.AsyncClient(fake.socket) as client:
            seen = []
            try:
                async for answer in client.predict(job, paths):
                    seen.append(answer)  # noqa: PERF401 - those before an error count
            except ftctl.FtctlError as error:
                return seen, error
            return seen, None

    def now():
        with ftctl.Client(fake.socket) as client:
            seen = []
            try:
                seen.extend(client.predict(job, paths))
            except ftctl.FtctlError as error:
                return seen, error
            return seen, None

    (seen, error), (also, same) = now(), asyncio.run(later())
    assert (seen, type(error), str(error)) == (also, type(same), str(same))
    return seen, error


# --- from Python ----------------------------------------------------------------------------


def test_answers_bear_the_paths_in_their_order(fake, client, photos):
    seen, error = both(fake, "ants-bees", [photos / "07.png", str(photos / "03.png")])

    assert error is None
    assert [answer.path for answer in seen] == [photos / "07.png", photos / "03.png"]
    for answer in seen:
        assert answer.top[0] == (answer.label, answer.probability)
        assert {label for label, _ in answer.top} == {"ants", "bees"}


def test_a_folder_means_its_images_sorted(fake, client, photos):
    seen, _ = both(fake, "ants-bees", [photos])

    names = [answer.path.relative_to(photos).as_posix() for answer in seen]
    assert names == [f"{number:02}.png" for number in range(35)] + [
        f"more/{number}.png" for number in range(35, 40)
    ]


def test_a_handle_asks_its_own_job(client, photos):
    handle = client.submit({**JOB, "name": "other"})

    assert len(list(handle.predict([photos]))) == 40


def test_files_that_cannot_be_sent_are_told_before_anything_is(
    fake, client, photos, tmp_path, monkeypatch
):
    monkeypatch.setattr(predictions, "MOST_IMAGE_BYTES", 2**20)
    large, empty = tmp_path / "large.png", tmp_path / "empty"
    large.write_bytes(bytes(2**20 + 1))
    empty.mkdir()
    missing = [tmp_path / f"{number}.png" for number in range(12)]

    seen, error = both(fake, "ants-bees", [photos, large, empty, *missing])

    assert seen == []
    assert isinstance(error, ftctl.BadImage)
    assert error.path == large
    assert str(error).splitlines() == [
        f"{large} is larger than 1 MiB; scale it down",
        f"{empty} is a folder without images (.jpg, .jpeg, .png, .webp, .bmp, .tif, .tiff)",
        *(f"{path} cannot be read: No such file or directory" for path in missing[:8]),
        "and 4 more",
    ]
    assert "PredictImages" not in fake.calls


def test_an_image_that_cannot_be_decoded_is_named_after_the_answers_before_it(fake, client, photos):
    (photos / "30.png").write_bytes(b"hello")

    seen, error = both(fake, "ants-bees", [photos])

    assert len(seen) == 30
    assert isinstance(error, ftctl.BadImage)
    assert error.path == photos / "30.png"
    assert str(error) == (
        f"{photos / '30.png'} is no image of a known kind: it begins with b'hello'"
    )


@pytest.mark.parametrize("again", range(5))
def test_a_refusal_is_told_also_while_images_are_on_their_way(fake, client, photos, again):
    many = [photos] * 20

    _, error = both(fake, "nothing", many)

    assert isinstance(error, ftctl.JobNotFound)


def test_a_job_without_a_model_is_told(photos):
    with FakeDaemon(pace_s=None) as fake, ftctl.Client(fake.socket) as client:
        handle = client.submit(JOB)
        _, error = both(fake, "ants-bees", [photos])
        assert isinstance(error, ftctl.ArtifactNotFound)
        assert str(error) == (
            "job ants-bees has no model yet: it is still queued; wait for its end with "
            "`ftctl watch ants-bees`"
        )
        fake.fail(handle)
        _, error = both(fake, "ants-bees", [photos])
        assert str(error) == (
            "job ants-bees ended FAILED before it had a model; `ftctl get ants-bees` says why"
        )


def test_a_file_that_vanishes_on_its_way_is_named(fake, client, photos, monkeypatch):
    read = predictions.piece

    def vanish(path, offset):
        (photos / "20.png").unlink(missing_ok=True)
        return read(path, offset)

    monkeypatch.setattr(predictions, "piece", vanish)
    with pytest.raises(ftctl.BadImage) as caught:
        list(client.predict("ants-bees", [photos]))

    gone = photos / "20.png"
    assert str(caught.value) == f"{gone} cannot be read: No such file or directory"
    assert caught.value.path == gone


def test_more_images_than_a_call_takes_become_several(fake, client, photos, monkeypatch):
    whole, _ = both(fake, "ants-bees", [photos])
    before = fake.calls.count("PredictImages")
    monkeypatch.setattr(predictions, "MOST_IMAGES", 16)

    assert both(fake, "ants-bees", [photos]) == (whole, None)

    assert fake.calls.count("PredictImages") == before + 2 * 3


def test_a_large_image_goes_in_parts(fake, client, photos, monkeypatch):
    whole, _ = both(fake, "ants-bees", [photos])
    monkeypatch.setattr(predictions, "PIECE_BYTES", 7)

    assert both(fake, "ants-bees", [photos]) == (whole, None)


def test_who_has_enough_ends_the_call(fake, client, photos):
    answers = client.predict("ants-bees", [photos] * 50)
    next(answers)
    answers.close()

    assert len(list(client.predict("ants-bees", [photos]))) == 40


def test_a_daemon_without_a_predictor_is_its_own_error(fake, client, photos):
    fake.refuse_next("PredictImages", "PREDICTOR_UNAVAILABLE", "the predictor broke off")

    with pytest.raises(ftctl.DaemonError) as caught:
        list(client.predict("ants-bees", [photos]))

    assert str(caught.value) == "the predictor broke off"


async def test_an_error_of_grpcs_own_is_told_where_the_daemon_says_nothing(tmp_path, photos):
    class Broken:
        async def PredictImages(self, requests, context):
            await context.abort(grpc.StatusCode.INTERNAL, "Internal error from Core")

    server = grpc.aio.server()
    add_ModelServiceServicer_to_server(Broken(), server)
    server.add_insecure_port(f"unix:{tmp_path}/broken.sock")
    await server.start()
    async with ftctl.AsyncClient(tmp_path / "broken.sock") as client:
        with pytest.raises(ftctl.DaemonError, match="Internal error from Core; its log says more"):
            await anext(client.predict("x", [photos]))
    await server.stop(grace=None)


def test_the_limits_are_those_that_the_contract_tells():
    told = pb.DESCRIPTOR.services_by_name["ModelService"].methods_by_name["PredictImages"]

    assert told.client_streaming
    assert (predictions.MOST_IMAGES, predictions.MOST_IMAGE_BYTES, predictions.MOST_BYTES) == (
        10_000, 64 * 2**20, 2 * 2**30,
    )  # fmt: skip
    assert predictions.PIECE_BYTES <= 3 * 2**20


# --- from the command line ------------------------------------------------------------------


def test_a_table_says_what_each_image_shows(client, photos, asked, monkeypatch):
    monkeypatch.chdir(photos)

    code, out, err = asked("ants-bees", "00.png", "more")

    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "image        label      %",
        "00.png       bees    89.3",
        "more/35.png  bees    71.1",
        "more/36.png  ants    57.6",
        "more/37.png  ants    56.2",
        "more/38.png  ants    75.6",
        "more/39.png  ants    97.0",
    ]


def test_top_names_the_classes_behind_the_first(client, photos, asked, monkeypatch):
    monkeypatch.chdir(photos)

    assert asked("ants-bees", "00.png", "--top", "3")[1].splitlines() == [
        "image   label      %",
        "00.png  bees    89.3  ants 10.7",
    ]


def test_csv_has_a_line_per_image(client, photos, asked, monkeypatch):
    monkeypatch.chdir(photos)

    assert asked("ants-bees", "00.png", "-o", "csv")[1] == (
        "path,label,probability\n00.png,bees,0.893\n"
    )
    heading, row = asked("ants-bees", "00.png", "-o", "csv", "--top", "3")[1].splitlines()
    assert heading == "path,label,probability,label_2,probability_2,label_3,probability_3"
    assert row.startswith("00.png,bees,0.893,ants,0.1")
    assert row.endswith(",,")


def test_json_is_an_array_also_where_an_image_ends_it(client, photos, asked, monkeypatch):
    monkeypatch.chdir(photos)
    answer = {"path": "00.png", "label": "bees", "probability": 0.893}
    whole = {**answer, "top": [{"label": "bees", "probability": 0.893}]}

    code, out, _ = asked("ants-bees", "00.png", "-o", "json")
    assert (code, json.loads(out)) == (0, [whole])

    code, out, err = asked("ants-bees", "00.png", "notes.txt", "-o", "json")
    assert (code, json.loads(out)) == (2, [whole])
    assert err == "ftctl: notes.txt is no image of a known kind: it begins with b'sunny'\n"


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["ants-bees", "no.png"], 2, "ftctl: no.png cannot be read: No such file or directory\n"),
        (
            ["nothing", "00.png"], 2,
            "ftctl: no job has the name or id `nothing`; `ftctl list` shows the names and ids "
            "of all\n",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_told(client, photos, asked, monkeypatch, words, code, message):
    monkeypatch.chdir(photos)

    assert asked(*words) == (code, "", message)


def test_a_broken_predictor_ends_with_3(fake, client, photos, asked):
    fake.refuse_next("PredictImages", "PREDICTOR_UNAVAILABLE", "the predictor broke off")

    assert asked("ants-bees", photos) == (3, "", "ftctl: the predictor broke off\n")


@pytest.mark.parametrize("columns", [40, 80, 160])
async def test_in_a_terminal_all_fits_its_width(fake, client, photos, columns):
    long = photos / ("a-photo-with-a-name-that-is-as-long-as-its-story-" * 3 + ".png")
    long.write_bytes(PNG)
    ours, theirs = terminal(columns)

    process = await start(fake, "predict", "ants-bees", str(photos), stdout=theirs)
    os.close(theirs)
    drawn = await screen(ours)
    await process.communicate()

    assert process.returncode == 0
    lines = [line for line in _plain(drawn) if ".png" in line]
    assert len(lines) == 41
    assert max(map(len, lines)) <= columns
    assert all(("━" in line) == (columns >= 72) for line in lines)
    assert "41 images: " in drawn


def _plain(drawn):
    """Return the lines of a terminal without what steers it."""
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", drawn).replace("\r", "\n").split("\n")
