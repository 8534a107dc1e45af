"""The equality table: whatever becomes of the cache, a run makes the weights of one without.

Each row is a whole run. Its figure is the maximal difference over all tensors of the net that it
exports and of its last checkpoint, from a run that reads and changes each image each time, one at
a time and without loader processes (`data.cache: none`). It is 0 in all of them.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from fttrain import plan, run
from fttrain.cache import album, segments
from fttrain.cache.room import Place
from fttrain.data.augment import batched
from fttrain.data.samples import Files
from fttrain.events import EpochEnded, Record, Resumed, Steps
from fttrain.journal import Journal
from fttrain.models import tensors
from fttrain.spec import recipe as recipes
from fttrain.spec import rundir
from fttrain.spec.plan import Means
from fttrain.spec.recipe import Recipe
from tests import attempts, engine
from tests.passing import make_weights
from tests.photos import make_photo_folder

REPOSITORY = Path(__file__).resolve().parents[3]
TRAIN, VAL, EPOCHS = 22, 6, 4  # More to train on than a chunk of frozen blocks takes.
CROPS = [{"random_crop": {"size": 32, "padding": 4}}, "horizontal_flip"]
SMALL = [{"random_crop": {"size": 8, "padding": 1}}, {"vertical_flip": {"p": 0.3}}]
Weights = dict[str, Tensor]
Patch = pytest.MonkeyPatch


class Scene:
    """Images, a net for which one kind of what is made of them can be kept, and a run without."""

    def __init__(self, kind: str, root: Path) -> None:
        self.kind = kind
        self.photos = make_photo_folder(root / "photos", per_class=11, val_per_class=3)
        self._net = make_weights(root)
        with Patch.context() as patch:
            patch.setattr(batched, "knows", lambda _: False)
            self.off = ran(root / "off", self.recipe(cache="none"))

    def recipe(self, train: Any = None, **data: Any) -> Recipe:
        said = {"epochs": EPOCHS, **(train or {})}
        model: dict[str, Any] = {"cnn": {"channels": [4, 8]}}
        if self.kind == "digits":
            digits = {"digits": {"labels_per_class": 10}, "augment": SMALL}
            return engine.parsed({**digits, **data}, model, said, outputs=[])
        folder = {"folder": {"path": str(self.photos)}, "preprocess": engine.FRAMED}
        images = {**folder, "workers": 0, "augment": CROPS}
        if self.kind == "features":
            images["augment"] = ["horizontal_flip"]
            said = {"trains": "head", "optimizer": {"sgd": {"lr": 0.0003, "momentum": 0.9}}, **said}
            model = {"name": "shufflenet_v2_x0_5", "weights": f"file:{self._net}"}
        return engine.parsed({**images, **data}, model, said, outputs=[])


def ran(
    run_dir: Path, chosen: Recipe, cache: Path | None = None, *, cores: int = 1, **card: Any
) -> Weights:
    """Run a recipe; return what it has come to."""
    made = plan.make(chosen, references={}, means=Means(cpus=cores))
    engine.prepare(run_dir, chosen, made)
    if cache is not None:
        card = {"cache": str(cache), "cache_bytes": 1 << 30, **card}
    rundir.write_card(run_dir / rundir.ATTEMPT, replace(rundir.read_attempt(run_dir), **card))
    assert run.run(run_dir) == 0
    return weights(run_dir)


def weights(run_dir: Path) -> Weights:
    return {
        f"{place}/{name}": tensor
        for place in (rundir.MODEL, rundir.LAST)
        for name, tensor in tensors.read(run_dir / place).tensors.items()
    }


def difference(one: Weights, other: Weights) -> float:
    """Return the maximal one over all tensors; no number where there is one among them."""
    assert one.keys() == other.keys()
    apart = [(one[name].double() - other[name].double()).abs().max() for name in one]
    return float(torch.stack(apart).max())


@dataclass(frozen=True, slots=True)
class Table:
    scene: Scene
    folder: Path
    cache: Path
    capsys: pytest.CaptureFixture[str]

    def run(self, what: str, *words: Any, but: Weights | None = None, **more: Any) -> None:
        """Run a recipe and add its row; `but` takes the place of the run without a cache."""
        self.add(what, ran(self.folder / what, *words, **more), but)

    def add(self, what: str, found: Weights, but: Weights | None = None) -> None:
        """Print a row, and hold it to its bound."""
        apart = difference(found, self.scene.off if but is None else but)
        with self.capsys.disabled():
            print(f"\n{self.scene.kind:<8}  {what:<50}  {apart:g}", end="", flush=True)
        assert apart == 0

    def segments(self) -> list[segments.Segment]:
        """Return what is kept, by writer."""
        found = map(segments.Segment.read, self.cache.glob(f"{self.scene.kind}/*/*.index"))
        return [segment for segment in found if segment is not None]

    def kept(self) -> int:
        """Return of how many views of images something is kept."""
        return len({key for segment in self.segments() for key in segment.keys.tolist()})

    def is_whole(self) -> bool:
        """Return whether all that a run needs is kept; in its epochs not each image is flipped."""
        ways = 2 if self.scene.kind == "features" else 1
        return TRAIN + VAL <= self.kept() <= ways * TRAIN + VAL


@pytest.fixture(scope="module", params=["features", "pictures"])
def scene(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return Scene(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture
def table(scene: Scene, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Table:
    return Table(scene, tmp_path, tmp_path / "cache", capsys)


def hook(patch: Patch, owner: Any, name: str, heard: Any) -> None:
    """Have somebody hear of each call of a function, before it is carried out."""
    plainly = getattr(owner, name)

    def called(*words: Any) -> Any:
        heard(*words)
        return plainly(*words)

    patch.setattr(owner, name, called)


@pytest.fixture
def decoded(monkeypatch: Patch) -> list[int]:
    """Return which images are decoded, in this process."""
    seen: list[int] = []
    hook(monkeypatch, Files, "picture", lambda _, index: seen.append(index))
    return seen


def test_a_run_without_a_cache_can_be_repeated(table: Table, decoded: list[int]) -> None:
    table.run("off, again", table.scene.recipe(cache="none"), table.cache)
    assert len(decoded) >= EPOCHS * (TRAIN + VAL)
    assert not table.cache.exists()


@pytest.mark.parametrize("loaders", [0, 1, 2])
def test_by_the_cache_a_run_is_the_same(table: Table, decoded: list[int], loaders: int) -> None:
    chosen = table.scene.recipe(workers=loaders)
    table.run(f"on, for the run alone, loaders: {loaders}", chosen)
    table.run(f"on, empty, loaders: {loaders}", chosen, table.cache)
    assert table.is_whole()
    assert len(decoded) < 2 * EPOCHS * (TRAIN + VAL)
    count = table.kept()
    decoded.clear()
    table.run(f"on, with all in it, loaders: {loaders}", chosen, table.cache)
    assert not any(decoded)  # To know of which shape they are, the first is looked at.
    assert table.kept() == count


def test_what_another_job_has_written_changes_nothing(table: Table, decoded: list[int]) -> None:
    chosen = table.scene.recipe({"seed": 5, "batch_size": 5})
    other = ran(table.folder / "other", chosen, table.cache)
    assert difference(other, table.scene.off) > 0
    before = table.kept()
    decoded.clear()
    table.run("written by a job of another seed", table.scene.recipe(), table.cache)
    # Another seed flips other images: of the features, some views are new.
    new = table.kept() - before
    assert len([*filter(None, decoded)]) <= new <= (3 if table.scene.kind == "features" else 0)


@pytest.mark.parametrize("loaders", [0, 2])
def test_eviction_amid_a_run_changes_nothing(
    table: Table, monkeypatch: Patch, loaders: int
) -> None:
    chosen, gone = table.scene.recipe(workers=loaders), list[str]()

    def evict(_: Journal, record: Record) -> None:
        if isinstance(record, Steps | EpochEnded):
            gone.extend(file.suffix for file in table.cache.rglob("*.*"))
            if loaders:
                shutil.rmtree(table.cache, ignore_errors=True)
            else:
                Place(root=table.cache, most_bytes=0).grant(1)

    table.run(f"before it is evicted, loaders: {loaders}", chosen, table.cache)
    hook(monkeypatch, Journal, "write", evict)
    table.run(f"evicted while read, loaders: {loaders}", chosen, table.cache)
    assert ".index" in gone
    gone.clear()
    table.run(f"evicted while written, loaders: {loaders}", chosen, table.cache)
    assert ".rows" in gone


@pytest.mark.parametrize("room", [0, 20_000])
def test_want_of_room_changes_nothing(table: Table, room: int) -> None:
    table.run(f"room for {room:,} bytes", table.scene.recipe(), table.cache, cache_bytes=room)
    rows = sum(file.stat().st_size for file in table.cache.rglob("*.rows"))
    assert rows <= room
    # Pictures are kept only where there is room for all of them.
    assert (rows > 0) == (room > 0 and table.scene.kind == "features")


def test_an_image_that_has_changed_is_another_image(table: Table) -> None:
    photos = shutil.copytree(table.scene.photos, table.folder / "photos")
    elsewhere = {"folder": {"path": str(photos)}}
    table.run("images elsewhere", table.scene.recipe(**elsewhere), table.cache)
    count = table.kept()

    change(photos)
    but = ran(table.folder / "anew", table.scene.recipe(**elsewhere, cache="none"))
    assert difference(but, table.scene.off) > 0
    table.run("an image changed", table.scene.recipe(**elsewhere), table.cache, but=but)
    assert table.kept() > count


def change(photos: Path) -> None:
    """Put another image in a file's place: of the same name, size and time."""
    files = sorted((photos / "train" / "circles").iterdir(), key=lambda file: file.stat().st_size)
    (smaller, larger), status = files[:2], files[1].stat()
    larger.write_bytes(smaller.read_bytes().ljust(status.st_size, b"\0"))
    os.utime(larger, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize("scene", ["pictures", "digits"], indirect=True)
def test_images_changed_at_once_make_the_same_run(table: Table, monkeypatch: Patch) -> None:
    counts: list[int] = []
    hook(monkeypatch, batched, "applied", lambda rows, *_: counts.append(len(rows)))
    table.run("changed by the batch", table.scene.recipe(), table.cache)
    assert sum(counts) > EPOCHS * TRAIN
    counts.clear()
    monkeypatch.setattr(album, "MOST_SIDE", 0)
    if table.scene.kind == "digits":
        monkeypatch.setattr(batched, "knows", lambda _: False)
    table.run("changed one at a time", table.scene.recipe(), table.folder / "another")
    assert counts == []


@pytest.mark.parametrize(("precision", "cores"), [("bf16", 1), ("fp32", 2)])
def test_the_cache_changes_no_other_arithmetic(table: Table, precision: str, cores: int) -> None:
    said = {"precision": precision}
    chosen, by = table.scene.recipe(said), f"{precision}, cores: {cores}"
    but = ran(table.folder / "off", table.scene.recipe(said, cache="none"), cores=cores)
    table.run(f"on, empty, {by}", chosen, table.cache, but=but, cores=cores)
    assert table.is_whole()
    table.run(f"on, with all in it, {by}", chosen, table.cache, but=but, cores=cores)
    at_once = [note.read_text() for note in table.cache.glob("features/*/alike-*")]
    assert at_once == ([str(cores)] if table.scene.kind == "features" else [])


# --- with another process ---------------------------------------------------------------------

WRITER = """
import sys
from pathlib import Path
from fttrain import __main__ as cli
from fttrain.cache import segments

awaited, *words = sys.argv[1:]
plainly, begun = segments._write, []

def write(file, data, place):
    if not begun and any(Path(awaited).glob("*")):
        begun.append(place)
        plainly(file, data[: len(data) // 2], place)
        print("amid", flush=True)
        sys.stdin.readline()
    plainly(file, data, place)

segments._write, segments._INDEXED_BYTES = write, 10_000
sys.exit(cli.main(words))
"""


@contextmanager
def writing(run_dir: Path, chosen: Recipe, cache: Path, awaited: Path) -> Iterator[Any]:
    """Run a job in a process; once something is in a folder it waits, in the middle of a row."""
    job = run_dir.with_suffix(".json")
    job.write_text(recipes.canonical(chosen))
    words = [awaited, "run", job, "--out", run_dir, "--cache", cache, "--cpus=1", "--device=cpu"]
    command, pipe = [sys.executable, "-c", WRITER, *map(str, words)], subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=REPOSITORY) as process:
        try:
            assert process.stdout is not None
            assert "amid\n" in iter(process.stdout.readline, "")
            yield process
        finally:
            process.kill()


def test_jobs_that_write_at_once_change_nothing(table: Table, monkeypatch: Patch) -> None:
    other = table.folder / "other"
    with writing(other, table.scene.recipe(), table.cache, table.folder) as process:
        hook(monkeypatch, segments, "_write", lambda *_: process.stdin.close())  # Now both write.
        table.run("two jobs at once, the one", table.scene.recipe(), table.cache)
        process.stdout.read()
        assert process.wait() == 0
    table.add("two jobs at once, the other", weights(other))
    assert sum(len(segment.keys) for segment in table.segments()) > table.kept()  # Both kept some.
    assert table.is_whole()


def test_what_a_killed_writer_leaves_changes_nothing(table: Table) -> None:
    chosen, killed = table.scene.recipe({"checkpoint": {"steps": 2}}), table.folder / "killed"
    with writing(killed, chosen, table.cache, killed / rundir.STEPS) as process:
        process.kill()
    assert process.returncode == -signal.SIGKILL
    before = table.kept()
    left = shutil.copytree(table.cache, table.folder / "left")

    again = "killed while it writes, taken up again"
    table.run(again, chosen, table.cache, attempt=2, earlier=[str(killed)])
    resumed = attempts.found(engine.records(table.folder / again), Resumed)
    assert (resumed.step > 0, resumed.inexact) == (True, "")
    assert 0 < before < table.kept()
    assert table.is_whole()
    table.run("killed while it writes, another run", table.scene.recipe(), left)
