"""Pictures from the shelf are, bit for bit, those made anew, whatever happens to the shelf."""

import os
import resource
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from fttrain.cache import album, segments, shelf
from fttrain.cache.album import Album
from fttrain.cache.room import Place
from fttrain.data import sources
from fttrain.data.samples import Files, Samples
from fttrain.data.sparing import Sparing
from fttrain.data.stream import Batch, Stream, Task
from fttrain.data.view import EvalView, StagedView, TrainView, View
from fttrain.spec.augmentation import Augmentation
from fttrain.spec.images import Data, Folder, Preprocess
from tests.photos import make_photo_folder
from tests.wait import wait_until

FRAMED = Preprocess(resize=32, crop=28, mean=[0.5], std=[0.5])
ROOM = 1 << 30
Facts = list[tuple[int, list[int], bytes]]


def train_view(*augment: object, seed: int = 0) -> TrainView:
    return TrainView(FRAMED, [Augmentation.model_validate(each) for each in augment], seed)


CROPPED = train_view({"random_crop": {"size": 28, "padding": 2}}, "horizontal_flip")
RESIZED = train_view({"random_resized_crop": {"size": 24}}, "horizontal_flip")
VIEWS: dict[str, View] = {
    "eval": EvalView(FRAMED),
    "crop": CROPPED,
    "resized-crop": RESIZED,
    "led": train_view({"resize": {"size": 40}}, {"grayscale": {"p": 1.0}},
                      {"random_crop": {"size": 20}}),
    "colour": train_view("color_jitter", "horizontal_flip"),
    "stages": StagedView(views=[train_view(), RESIZED], begins=[1, 2]),
}  # fmt: skip


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_photo_folder(tmp_path_factory.mktemp("album") / "photos", per_class=6)


def samples_of(photos: Path) -> Samples:
    return sources.load(Data(folder=Folder(path=str(photos)))).train


def tasks(samples: Samples, epochs: int = 3, size: int = 5) -> Iterator[Task]:
    for epoch in range(1, epochs + 1):
        order = np.random.default_rng(epoch).permutation(len(samples))
        for begin in range(0, len(order), size):
            yield Task(epoch, order[begin : begin + size])


def begun(samples: Samples, view: View, root: Path, *, room: int = ROOM) -> Album:
    grounds = {view.ground(epoch).digest: view.ground(epoch) for epoch in (1, 2)}
    return Album.begin(samples, list(grounds.values()), Place(root=root, most_bytes=room))


def made(
    samples: Samples,
    view: View,
    root: Path | None = None,
    *,
    workers: int = 0,
    room: int = ROOM,
    between: Callable[[Batch], None] = lambda _: None,
) -> Facts:
    grounds = begun(samples, view, root, room=room) if root is not None else None
    facts = []
    with Stream(samples, view, workers, grounds) as stream:
        for batch in stream.run(tasks(samples)):
            facts.append((batch.epoch, batch.indices.tolist(), batch.images.numpy().tobytes()))
            between(batch)
    return facts


def indices(root: Path) -> list[Path]:
    return sorted(root.rglob("*.index"))


def kept(root: Path) -> int:
    """Return how many pictures are kept."""
    found = (segments.Segment.read(index) for index in indices(root))
    return sum(len(segment.entries) for segment in found if segment is not None)


@pytest.mark.parametrize("name", VIEWS)
def test_pictures_from_the_shelf_are_those_made_anew(
    photos: Path, tmp_path: Path, name: str
) -> None:
    samples, view = samples_of(photos), VIEWS[name]
    anew = made(samples, view)

    assert made(samples, view, tmp_path) == anew
    count = kept(tmp_path)
    assert count == len(samples) * (2 if name == "stages" else 1)
    assert made(samples, view, tmp_path) == anew
    assert kept(tmp_path) == count


@pytest.mark.parametrize("workers", [1, 2])
def test_loader_processes_keep_what_they_make_for_later_jobs(
    photos: Path, tmp_path: Path, workers: int
) -> None:
    samples = samples_of(photos)
    anew = made(samples, CROPPED)

    assert made(samples, CROPPED, tmp_path, workers=workers) == anew
    assert kept(tmp_path) >= len(samples)
    assert made(samples, CROPPED, tmp_path, workers=workers) == anew
    assert made(samples, CROPPED, tmp_path) == anew


def test_what_is_on_the_shelf_is_not_decoded_again(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = samples_of(photos)
    anew = made(samples, CROPPED, tmp_path)

    def refuse(*_: object) -> Image.Image:
        raise AssertionError("decoded")

    monkeypatch.setattr(Files, "picture", refuse)
    assert made(samples, CROPPED, tmp_path) == anew


def test_where_loader_processes_read_the_trainer_maps_nothing(photos: Path, tmp_path: Path) -> None:
    samples = samples_of(photos)
    made(samples, CROPPED, tmp_path)
    with Stream(samples, CROPPED, 1, begun(samples, CROPPED, tmp_path)) as stream:
        for _batch in stream.run(tasks(samples)):
            assert str(tmp_path) not in Path("/proc/self/maps").read_text()


def test_jobs_that_run_at_once_share_what_they_make(photos: Path, tmp_path: Path) -> None:
    samples = samples_of(photos)
    anew = made(samples, CROPPED)
    with (
        Stream(samples, CROPPED, 0, begun(samples, CROPPED, tmp_path)) as one,
        Stream(samples, CROPPED, 0, begun(samples, CROPPED, tmp_path)) as other,
    ):
        pairs = list(zip(one.run(tasks(samples)), other.run(tasks(samples)), strict=True))
        count = kept(tmp_path)

    for (_, _, expected), pair in zip(anew, pairs, strict=True):
        assert [batch.images.numpy().tobytes() for batch in pair] == [expected] * 2
    assert count == 2 * len(samples)  # Nobody waits for another: in the first epoch both make all.
    assert made(samples, CROPPED, tmp_path) == anew
    assert kept(tmp_path) == count


def test_a_shelf_removed_amid_a_run_changes_nothing(photos: Path, tmp_path: Path) -> None:
    samples = samples_of(photos)
    anew = made(samples, CROPPED)
    made(samples, CROPPED, tmp_path)
    gone: list[int] = []

    def remove(batch: Batch) -> None:
        if batch.epoch not in gone:
            gone.append(batch.epoch)
            shutil.rmtree(tmp_path / album.FOLDER, ignore_errors=True)

    assert made(samples, CROPPED, tmp_path, between=remove) == anew
    assert made(samples, CROPPED, tmp_path / "new", between=lambda _: clear(tmp_path)) == anew


def clear(root: Path) -> None:
    for folder in root.glob(f"*/{album.FOLDER}"):
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("workers", [0, 2])
def test_without_room_nothing_is_kept_and_nothing_changes(
    photos: Path, tmp_path: Path, workers: int
) -> None:
    samples = samples_of(photos)

    assert made(samples, CROPPED, tmp_path, room=0, workers=workers) == made(samples, CROPPED)
    assert kept(tmp_path) == 0


def test_a_full_disk_changes_nothing(photos: Path, tmp_path: Path) -> None:
    samples = samples_of(photos)
    anew = made(samples, CROPPED)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        assert made(samples, CROPPED, tmp_path) == anew
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert 0 < kept(tmp_path) < len(samples)


def test_what_was_read_is_not_held_for_long(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = samples_of(photos)
    anew = made(samples, CROPPED, tmp_path)
    monkeypatch.setattr(album, "_MOST_HELD", 5000)
    let_go: list[shelf.Shelf] = []
    plainly = shelf.Shelf.let_go

    def noted(each: shelf.Shelf) -> None:
        let_go.append(each)
        plainly(each)

    monkeypatch.setattr(shelf.Shelf, "let_go", noted)
    assert made(samples, CROPPED, tmp_path) == anew
    assert made(samples, CROPPED, tmp_path / "new") == anew
    assert let_go


async def test_an_idle_loader_has_others_find_what_it_added(photos: Path, tmp_path: Path) -> None:
    samples = samples_of(photos)
    with Stream(samples, CROPPED, 1, begun(samples, CROPPED, tmp_path)) as stream:
        for _batch in stream.run(tasks(samples, epochs=1)):
            pass
        await wait_until(lambda: kept(tmp_path) == len(samples))


@pytest.mark.parametrize("workers", [0, 1])
def test_with_room_for_some_these_are_kept(photos: Path, tmp_path: Path, workers: int) -> None:
    samples = samples_of(photos)
    room, view = 3 * 28 * 28 * 3, EvalView(FRAMED)

    assert made(samples, view, tmp_path, room=room, workers=workers) == made(samples, view)
    assert kept(tmp_path) == 2  # Each is padded to a multiple of 64 bytes.


def test_a_killed_loader_takes_nothing_of_others_along(photos: Path, tmp_path: Path) -> None:
    samples = samples_of(photos)
    anew = made(samples, CROPPED)
    grounds = begun(samples, CROPPED, tmp_path)
    stream = Stream(samples, CROPPED, 1, grounds)
    batches = stream.run(tasks(samples))
    for batch in batches:
        if batch.epoch == 2:
            break
    for child in psutil.Process().children():
        child.send_signal(signal.SIGKILL)
    stream.close()

    assert 0 < kept(tmp_path) <= len(samples)
    assert made(samples, CROPPED, tmp_path) == anew
    assert kept(tmp_path) == len(samples)


def test_a_changed_image_is_another(photos: Path, tmp_path: Path) -> None:
    own = tmp_path / "photos"
    shutil.copytree(photos, own)
    samples = samples_of(own)
    assert isinstance(samples, Files)
    made(samples, CROPPED, tmp_path / "cache")
    Image.new("RGB", (50, 40), (200, 10, 10)).save(samples.path(0), "JPEG")

    assert made(samples, CROPPED, tmp_path / "cache") == made(samples, CROPPED)
    assert kept(tmp_path / "cache") == len(samples) + 1


def test_an_image_that_changes_while_it_is_read_is_not_kept(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "photos"
    shutil.copytree(photos, own)
    samples = samples_of(own)
    assert isinstance(samples, Files)

    read = Files.picture

    def changed(files: Files, index: int) -> Image.Image:
        Image.new("RGB", (50, 40), (index, 10, 10)).save(files.path(index), "JPEG")
        return read(files, index)

    monkeypatch.setattr(Files, "picture", changed)
    grounds = begun(samples, CROPPED, tmp_path / "cache")
    for index in range(len(samples)):
        grounds.picture(index, CROPPED.ground(1))
    grounds.close()

    assert kept(tmp_path / "cache") == 0


def test_the_substitute_of_a_bad_image_is_not_kept_as_its_own(photos: Path, tmp_path: Path) -> None:
    own = tmp_path / "photos"
    shutil.copytree(photos, own)
    whole = samples_of(own)
    assert isinstance(whole, Files)
    bad, good = whole.path(0), whole.path(0).read_bytes()
    bad.write_bytes(good[:300])

    assert made(Sparing(whole), CROPPED, tmp_path / "cache") == made(Sparing(whole), CROPPED)
    assert kept(tmp_path / "cache") == len(whole) - 1
    bad.unlink()
    assert made(Sparing(whole), CROPPED, tmp_path / "cache") == made(Sparing(whole), CROPPED)
    bad.write_bytes(good)
    assert made(whole, CROPPED, tmp_path / "cache") == made(whole, CROPPED)


def test_other_groundwork_and_other_decoding_are_kept_apart(photos: Path, tmp_path: Path) -> None:
    samples = samples_of(photos)
    made(samples, EvalView(FRAMED), tmp_path)
    made(samples, train_view("horizontal_flip"), tmp_path)
    assert kept(tmp_path) == len(samples)  # Both begin alike.

    larger = EvalView(FRAMED.model_copy(update={"resize": 36}))
    assert made(samples, larger, tmp_path) == made(samples, larger)
    assert kept(tmp_path) == 2 * len(samples)

    shrunk = sources.load(Data(folder=Folder(path=str(photos)), decode_min_side=32)).train
    assert made(shrunk, CROPPED, tmp_path) == made(shrunk, CROPPED)
    assert kept(tmp_path) == 3 * len(samples)
    other = EvalView(FRAMED.model_copy(update={"mean": [0.1], "std": [0.2]}))
    made(samples, other, tmp_path)
    assert kept(tmp_path) == 3 * len(samples)


def test_a_large_picture_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = make_photo_folder(tmp_path / "photos", per_class=2)
    samples = samples_of(root)
    monkeypatch.setattr(album, "MOST_BYTES", 28 * 28 * 3 - 1)

    view = EvalView(FRAMED)
    assert made(samples, view, tmp_path / "cache") == made(samples, view)
    assert kept(tmp_path / "cache") == 0


@pytest.mark.parametrize("workers", [0, 1])
def test_each_epoch_notes_what_it_uses(photos: Path, tmp_path: Path, workers: int) -> None:
    samples = samples_of(photos)
    made(samples, CROPPED, tmp_path)
    (index,) = indices(tmp_path)
    os.utime(index, (1, 1))

    made(samples, CROPPED, tmp_path, workers=workers)

    assert index.stat().st_mtime > 1


def test_older_shelves_make_room_for_what_is_added(photos: Path, tmp_path: Path) -> None:
    samples = samples_of(photos)
    made(samples, EvalView(FRAMED), tmp_path)
    (older,) = indices(tmp_path)
    taken = sum(file.stat().st_size for file in older.parent.iterdir())
    smaller = EvalView(FRAMED.model_copy(update={"crop": 26}))

    made(samples, smaller, tmp_path, room=3 * taken)
    assert older.exists()
    made(samples, EvalView(FRAMED.model_copy(update={"crop": 24})), tmp_path, room=2 * taken)
    assert not older.parent.exists()
