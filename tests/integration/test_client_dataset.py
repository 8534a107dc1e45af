"""`ftctl dataset`: what it prints, where, its exit codes, what Tab offers."""

import asyncio
import json
import os
import re
import signal

import pytest

from ftctl.testing import FakeDaemon
from tests.fakes.archives import PHOTO, member, pack
from tests.fakes.terminals import screen, start, terminal

JOB = {"data": {"dataset": "photos"}, "model": {"cnn": {}}, "train": {"epochs": 2}}


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def daemon():
    with FakeDaemon(pace_s=None) as daemon:
        yield daemon


@pytest.fixture
def photos(tmp_path):
    """A folder with 4 photos of 2 classes, of 2.5 kB each, and what a Mac leaves there."""
    for number in range(4):
        path = tmp_path / "photos" / "train" / ["ants", "bees"][number % 2] / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes([number]) * 2500)
    (tmp_path / "photos" / ".DS_Store").write_bytes(b"x")
    return tmp_path / "photos"


async def ftctl(daemon, *words):
    process = await start(daemon, "dataset", *map(str, words))
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


def plain(text):
    """Return a text without what differs from one run to the next."""
    text = re.sub(r"[0-9a-f]{64}", "DIGEST", text)
    text = re.sub(r"in \d+\.\d s", "in SECONDS", text)
    return re.sub(r"\d{4}-\d\d-\d\dT\S+Z, \d+ s ago", "TIME", text)


async def test_push_tells_what_was_made_of_a_folder(daemon, photos):
    code, out, err = await ftctl(daemon, "push", "photos", photos)

    assert (code, err) == (0, "reading 4 files, 10 kB\nsending 4 files, 10 kB\n")
    assert plain(out) == (
        "pushed photos  4 files, 10 kB\n"
        " sent      4 files, 10 kB in SECONDS\n"
        " left out  1 hidden file: .DS_Store\n"
        " digest    DIGEST\n"
        " use it    data: {dataset: photos}\n"
    )

    _, out, err = await ftctl(daemon, "push", "photos", photos)
    assert err == "reading 4 files, 10 kB\n"
    assert " sent      nothing: the daemon had all of it\n" in out

    (photos / "val").mkdir()
    (photos / "val" / "5.jpg").write_bytes(b"new")
    _, out, err = await ftctl(daemon, "push", "photos", photos)
    assert err.endswith("sending 1 file, 3 B\n")
    assert " sent      1 file, 3 B in SECONDS; the others were there\n" in plain(out)


async def test_push_tells_which_folder_of_an_archive_is_left_out(daemon, tmp_path):
    archive = pack(tmp_path / "x.tar", member("cars/train/a/1.jpg", b"x"))

    _, out, _ = await ftctl(daemon, "push", "cars", archive)

    assert " paths     cars/, which held all else, is left out of the paths\n" in out


async def test_push_as_json_is_the_data_set_alone(daemon, photos):
    code, out, _ = await ftctl(daemon, "push", "photos", photos, "-o", "json")

    told = json.loads(out)
    assert code == 0
    assert (told["name"], told["files"], told["size_bytes"]) == ("photos", 4, 10_000)


async def test_push_of_what_cannot_be_is_bad_input(daemon, tmp_path):
    archive = pack(tmp_path / "x.tar", PHOTO, member("../evil", b"x"), member("/abs", b"x"))

    assert await ftctl(daemon, "push", "evil", archive) == (
        2,
        "",
        f"ftctl: {archive} holds 2 files that cannot be pushed; nothing was sent\n"
        "  ../evil: leads out of the data set\n"
        "  /abs: is an absolute path\n",
    )
    assert "BeginPush" not in daemon.calls


async def test_list_show_and_rm(daemon, photos):
    assert await ftctl(daemon, "list") == (
        0, "no data sets; `ftctl dataset push NAME DIR` makes one\n", "",
    )  # fmt: skip
    await ftctl(daemon, "push", "photos", photos)

    _, out, _ = await ftctl(daemon, "list")
    heading, row = out.splitlines()
    assert heading.split() == ["name", "files", "size", "digest", "age"]
    assert row.split()[:4] == ["photos", "4", "10", "kB"]
    _, out, _ = await ftctl(daemon, "list", "-o", "json")
    assert [(item["name"], item["files"]) for item in json.loads(out)] == [("photos", 4)]

    _, out, _ = await ftctl(daemon, "show", "photos")
    assert plain(out) == (
        " photos  tester\n"
        " holds     4 files, 10 kB\n"
        " pushed    TIME\n"
        " digest    DIGEST\n"
        " used by   no job\n"
        "\n"
        " folders   train/ants/  2 files  5.0 kB\n"
        "           train/bees/  2 files  5.0 kB\n"
    )
    _, out, _ = await ftctl(daemon, "show", "photos", "-o", "json")
    assert [folder["path"] for folder in json.loads(out)["folders"]] == ["train/ants", "train/bees"]

    assert await ftctl(daemon, "rm", "photos") == (0, "removed photos\n", "")
    assert await ftctl(daemon, "show", "photos") == (
        2, "",
        "ftctl: no data set has the name `photos`; `ftctl dataset push NAME DIR` makes one, "
        "`ftctl dataset list` shows all\n",
    )  # fmt: skip


async def test_a_data_set_in_use_is_shown_with_its_jobs_and_stays(daemon, photos, tmp_path):
    await ftctl(daemon, "push", "photos", photos)
    (tmp_path / "job.json").write_text(json.dumps({"name": "ants", **JOB}))
    process = await start(daemon, "submit", str(tmp_path / "job.json"))
    daemon.wait_for_calls("WatchJob")
    process.send_signal(signal.SIGINT)
    await process.communicate()

    _, out, _ = await ftctl(daemon, "show", "photos")
    assert " used by   ants\n" in out
    assert await ftctl(daemon, "rm", "photos") == (
        2, "",
        "ftctl: data set photos is used by job ants, which has not ended; delete it when that is "
        "so\n",
    )  # fmt: skip


async def test_a_terminal_shows_a_bar_that_goes_away(daemon, photos):
    for number in range(40):
        (photos / "train" / f"{number}.jpg").write_bytes(os.urandom(50_000))
    ours, theirs = terminal(80)

    process = await start(daemon, "dataset", "push", "photos", str(photos),
                          stdout=theirs, stderr=theirs)  # fmt: skip
    os.close(theirs)
    shown = await screen(ours)

    assert await process.wait() == 0
    assert "photos  reading" in shown or "photos  sending" in shown
    assert re.search(r"pushed .*photos.*44 files, 2.0 MB", shown)
    # The cursor is shown again.
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")


async def test_ctrl_c_says_what_stays_and_how_to_go_on(daemon, photos):
    for _ in range(1000):
        daemon.refuse_next("SendFiles", "SHUTTING_DOWN")
    process = await start(daemon, "dataset", "push", "photos", str(photos))
    await asyncio.to_thread(daemon.wait_for_calls, "SendFiles", 2)

    process.send_signal(signal.SIGINT)
    out, err = await process.communicate()

    assert (process.returncode, out) == (130, b"")
    assert err.decode().splitlines()[-2:] == [
        "left the push of photos; what has arrived stays",
        f"  ftctl dataset push photos {photos}  goes on",
    ]


async def test_tab_offers_actions_names_and_files(daemon, photos):
    await ftctl(daemon, "push", "photos", photos)

    async def offered(*words):
        process = await start(daemon, "completion", "__complete", "dataset", *words)
        out, err = await process.communicate()
        assert (process.returncode, err) == (0, b"")
        return out.decode().split()

    assert await offered("") == ["push", "list", "show", "rm"]
    assert await offered("show", "") == ["photos"]
    assert await offered("rm", "ph") == ["photos"]
    assert await offered("push", "") == ["photos"]
    assert await offered("push", "photos", "") == []
    assert await offered("list", "") == []
