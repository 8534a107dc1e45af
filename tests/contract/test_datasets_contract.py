"""What users of the client may rely on about data sets, from both daemons alike."""

import hashlib
import itertools
import os

import pytest

import ftctl
from ftctl import PushPhase
from tests.fakes.cutting import cutting
from tests.photos import make_photo_folder

NUMBERS = itertools.count(1)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def name():
    """A name that no other test uses."""
    return f"set-{next(NUMBERS)}"


def folder(place, files):
    """Write files; return the folder."""
    for path, content in files.items():
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_bytes(content)
    return place


def digest(files):
    """Return the digest of a data set, as the API defines it."""
    lines = (
        f"{hashlib.sha256(content).hexdigest()} {len(content)} {path}\n"
        for path, content in sorted(files.items())
    )
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def photos(count=6, size=5000):
    """Return files that no daemon has seen."""
    return {f"train/{'ab'[n % 2]}/{n}.jpg": os.urandom(size) for n in range(count)}


def job(dataset):
    """Return a long job on a data set."""
    sizes = {"resize": 32, "crop": 32, "mean": [0.5] * 3, "std": [0.25] * 3}
    return {
        "data": {"dataset": dataset, "preprocess": sizes},
        "model": {"cnn": {}},
        "train": {"epochs": 5000, "batch_size": 8, "optimizer": {"sgd": {"lr": 0.01}}},
    }


def pushed(client, name, source):
    """Push; return the data set and the last that was told of it."""
    seen = []
    made = client.push_dataset(name, source, on_progress=seen.append)
    return made, seen[-1]


def test_a_folder_that_is_pushed_is_a_data_set(client, name, tmp_path):
    files = {**photos(), "empty.txt": b"", "large.bin": os.urandom(700_000)}

    made, last = pushed(client, name, folder(tmp_path / "in", files))

    size = sum(map(len, files.values()))
    assert (made.name, made.files, made.size_bytes) == (name, 8, size)
    assert made.digest == digest(files)
    assert (last.phase, last.done_bytes, last.sent_bytes) == (PushPhase.DONE, size, size)


def test_a_data_set_is_listed_and_shown_with_its_folders(client, name, tmp_path):
    made, _ = pushed(client, name, folder(tmp_path / "in", {**photos(), "top": b"1"}))

    shown = client.dataset(name)

    assert [(f.path, f.files, f.size_bytes) for f in shown.folders] == [
        ("", 1, 1), ("train/a", 3, 15_000), ("train/b", 3, 15_000),
    ]  # fmt: skip
    assert shown.used_by == ()
    assert made in client.datasets()
    assert made.create_time == shown.create_time


def test_the_same_files_are_not_sent_again(client, name, tmp_path):
    files = photos()
    place = folder(tmp_path / "in", files)
    first, _ = pushed(client, name, place)

    again, last = pushed(client, name, place)
    assert (again, last.sent_bytes, last.missing_files) == (first, 0, 0)

    extra = os.urandom(300)
    folder(place, {"val/new.jpg": extra})
    grown, last = pushed(client, name, place)
    assert (last.sent_bytes, last.missing_files) == (300, 1)
    assert grown.digest == digest({**files, "val/new.jpg": extra})
    assert [item.digest for item in client.datasets() if item.name == name] == [grown.digest]


def test_equal_files_are_sent_once(client, name, tmp_path):
    content = os.urandom(10_000)

    made, last = pushed(client, name, folder(tmp_path / "in", {"a/1": content, "b/1": content}))

    assert (made.size_bytes, last.sent_bytes) == (20_000, 10_000)


def test_more_files_than_fit_one_message_are_pushed(client, name, tmp_path):
    files = {f"{n % 7}/{n}": str(n).encode() for n in range(2500)}

    made, _ = pushed(client, name, folder(tmp_path / "in", files))

    assert (made.files, made.digest) == (2500, digest(files))


def test_a_push_goes_on_by_itself_where_its_line_is_cut(socket, name, tmp_path):
    files = photos(60, 20_000)
    cuts = [150_000 * n for n in range(1, 6)]
    place = folder(tmp_path / "in", files)

    with cutting(tmp_path / "s", socket, cuts) as line, ftctl.Client(tmp_path / "s") as client:
        made, last = pushed(client, name, place)

    assert line.done == 5
    assert made.digest == digest(files)
    assert last.sent_bytes <= 1.05 * made.size_bytes


def test_a_push_that_was_left_goes_on_from_what_arrived(client, name, tmp_path):
    files = photos(10, 50_000)
    place = folder(tmp_path / "in", files)

    def leave(progress):
        if progress.phase is PushPhase.SENDING and progress.done_bytes > 200_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        client.push_dataset(name, place, on_progress=leave)
    assert name not in [item.name for item in client.datasets()]

    made, last = pushed(client, name, place)
    assert made.digest == digest(files)
    assert last.sent_bytes < 300_000


def test_a_file_that_is_not_what_was_announced_is_refused(client, name, tmp_path):
    place = folder(tmp_path / "in", {"a/1.jpg": os.urandom(1000)})

    def change(progress):
        if progress.phase is PushPhase.SENDING:
            (place / "a/1.jpg").write_bytes(os.urandom(1000))

    with pytest.raises(ftctl.DigestMismatch) as caught:
        client.push_dataset(name, place, on_progress=change)

    assert str(caught.value) == (
        "`a/1.jpg` arrived with another SHA-256 than was announced; it changed meanwhile, or on "
        "the way: push again"
    )
    pushed(client, name, place)


def test_a_deleted_data_set_is_gone(client, name, tmp_path):
    pushed(client, name, folder(tmp_path / "in", photos()))

    client.delete_dataset(name)

    for ask in (client.dataset, client.delete_dataset):
        with pytest.raises(ftctl.DatasetNotFound, match=f"no data set has the name `{name}`; "):
            ask(name)


def test_a_job_uses_a_data_set_by_its_name_and_keeps_it(client, name, tmp_path):
    made, _ = pushed(client, name, make_photo_folder(tmp_path / "in"))
    handle = client.submit({**job(name), "name": f"job-of-{name}"})
    for event in handle.watch():
        if isinstance(event, ftctl.EpochEnded):
            break

    assert client.dataset(name).used_by == (handle.name,)
    with pytest.raises(ftctl.DatasetInUse) as caught:
        client.delete_dataset(name)
    assert str(caught.value) == (
        f"data set {name} is used by job {handle.name}, which has not ended; delete it when that "
        "is so"
    )

    handle.cancel()
    handle.wait(timeout_s=60)
    assert client.dataset(name).digest == made.digest
    client.delete_dataset(name)


def test_a_data_set_that_is_not_there_is_a_fault_of_a_job(client, tmp_path):
    pushed(client, "flowers", folder(tmp_path / "in", photos()))

    with pytest.raises(ftctl.InvalidJob) as caught:
        client.submit(job("flower"))

    assert [str(fault) for fault in caught.value.faults] == [
        "data.dataset.name: no data set has the name `flower`; did you mean `flowers`?"
    ]


def test_a_name_that_is_none_is_refused_before_a_file_is_read(client):
    with pytest.raises(ftctl.InvalidRequest) as caught:
        client.push_dataset("My Photos", "/nowhere")

    assert str(caught.value) == (
        "`My Photos` is not a name: 1 to 63 of a-z, 0-9 and -, beginning and ending with a "
        "letter or digit"
    )


async def test_the_async_client_pushes_too(socket, name, tmp_path):
    files = photos(40, 20_000)
    place = folder(tmp_path / "in", files)

    with cutting(tmp_path / "s", socket, [200_000, 500_000]) as line:
        async with ftctl.AsyncClient(tmp_path / "s") as client:
            made = await client.push_dataset(name, place)

    assert (made.digest, line.done) == (digest(files), 2)
