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
import torchvision
from torch import Tensor

from fttrain import plan, run
from fttrain.cache import album, shelf
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
from tests.photos import make_photo_folder

REPOSITORY = Path(__file__).resolve().parents[3]
TRAIN, VAL, EPOCHS = 14, 6, 4
CROPS = [{"random_crop": {"size": 32, "padding": 4}}, "horizontal_flip"]
SMALL = [{"random_crop": {"size": 8, "padding": 1}}, {"vertical_flip": {"p": 0.3}}]
Weights = dict[str, Tensor]
Patch = pytest.MonkeyPatch


class Scene:
    """Images, a net for which one kind of what is made of them can be kept, and a run without."""

    def __init__(self, kind: str, root: Path) -> None:
        self.kind = kind
        self.photos = make_photo_folder(root / "photos", per_class=7, val_per_class=3)
        self._net = root / "net.pt"
        torch.save(telling(), self._net)
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

    def segments(self, cache: Path) -> list[shelf.Segment]:
        """Return what is kept, by writer."""
        found = (shelf.Segment.read(index) for index in cache.glob(f"{self.kind}/*/*.index"))
        return [segment for segment in found if segment is not None]

    def kept(self, cache: Path) -> int:
        """Return of how many views of images something is kept."""
        return len({key for segment in self.segments(cache) for key in segment.keys.tolist()})

    def is_whole(self, cache: Path) -> bool:
        """Return whether all that a run needs is kept; in its epochs not each image is flipped."""
        ways = 2 if self.kind == "features" else 1
        return TRAIN + VAL <= self.kept(cache) <= ways * TRAIN + VAL


def telling() -> Weights:
    """Return weights of a net whose features differ; as it is begun, they are all but 0."""
    torch.manual_seed(1)
    net = torchvision.models.shufflenet_v2_x0_5()
    net.apply(lambda layer: setattr(layer, "momentum", 1.0))
    net(torch.randn(16, 3, 32, 32))
    return dict(net.state_dict())


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


@pytest.fixture(scope="module", params=["features", "pictures"])
def scene(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return Scene(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture
def table(scene: Scene, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Table:
    return Table(scene, tmp_path, capsys)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


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


def test_off(scene: Scene, table: Table, cache: Path, decoded: list[int]) -> None:
    table.run("off, again", scene.recipe(cache="none"), cache)
    assert len(decoded) >= EPOCHS * (TRAIN + VAL)
    assert not cache.exists()


@pytest.mark.parametrize("loaders", [0, 1, 2])
def test_on(scene: Scene, table: Table, cache: Path, decoded: list[int], loaders: int) -> None:
    chosen = scene.recipe(workers=loaders)
    table.run(f"on, for the run alone, loaders: {loaders}", chosen)
    table.run(f"on, empty, loaders: {loaders}", chosen, cache)
    assert scene.is_whole(cache)
    assert len(decoded) < 2 * EPOCHS * (TRAIN + VAL)

    count = scene.kept(cache)
    decoded.clear()
    table.run(f"on, with all in it, loaders: {loaders}", chosen, cache)
    assert not any(decoded)  # To know of which shape they are, the first is looked at.
    assert scene.kept(cache) == count


def test_written_by_another(scene: Scene, table: Table, cache: Path, decoded: list[int]) -> None:
    other = ran(table.folder / "other", scene.recipe({"seed": 5, "batch_size": 5}), cache)
    assert difference(other, scene.off) > 0
    before = scene.kept(cache)
    decoded.clear()
    table.run("written by a job of another seed", scene.recipe(), cache)
    # Another seed flips other images: of the features, some views are new.
    new = scene.kept(cache) - before
    assert len([*filter(None, decoded)]) <= new <= (3 if scene.kind == "features" else 0)


@pytest.mark.parametrize("loaders", [0, 2])
def test_evicted(scene: Scene, table: Table, cache: Path, monkeypatch: Patch, loaders: int) -> None:
    chosen, gone = scene.recipe(workers=loaders), list[str]()

    def evict(_: Journal, record: Record) -> None:
        if isinstance(record, Steps | EpochEnded):
            gone.extend(file.suffix for file in cache.rglob("*.*"))
            if loaders:
                shutil.rmtree(cache, ignore_errors=True)
            else:
                shelf.make_room(cache, most_bytes=-1, keep=cache)

    table.run(f"before it is evicted, loaders: {loaders}", chosen, cache)
    hook(monkeypatch, Journal, "write", evict)
    table.run(f"evicted while read, loaders: {loaders}", chosen, cache)
    assert ".index" in gone
    gone.clear()
    table.run(f"evicted while written, loaders: {loaders}", chosen, cache)
    assert ".rows" in gone


@pytest.mark.parametrize("room", [0, 20_000])
def test_no_room(scene: Scene, table: Table, cache: Path, room: int) -> None:
    table.run(f"room for {room:,} bytes", scene.recipe(), cache, cache_bytes=room)
    rows = sum(file.stat().st_size for file in cache.rglob("*.rows"))
    assert rows <= room
    # Pictures are kept only where there is room for all of them.
    assert (rows > 0) == (room > 0 and scene.kind == "features")


def test_an_image_changed(scene: Scene, table: Table, cache: Path) -> None:
    photos = shutil.copytree(scene.photos, table.folder / "photos")
    elsewhere = {"folder": {"path": str(photos)}}
    table.run("images elsewhere", scene.recipe(**elsewhere), cache)
    count = scene.kept(cache)

    change(photos)
    but = ran(table.folder / "anew", scene.recipe(**elsewhere, cache="none"))
    assert difference(but, scene.off) > 0
    table.run("an image changed", scene.recipe(**elsewhere), cache, but=but)
    assert scene.kept(cache) > count


def change(photos: Path) -> None:
    """Put another image in a file's place: of the same name, size and time."""
    files = sorted((photos / "train" / "circles").iterdir(), key=lambda file: file.stat().st_size)
    (smaller, larger), status = files[:2], files[1].stat()
    larger.write_bytes(smaller.read_bytes().ljust(status.st_size, b"\0"))
    os.utime(larger, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize("scene", ["pictures", "digits"], indirect=True)
def test_by_the_batch_or_not(scene: Scene, table: Table, cache: Path, monkeypatch: Patch) -> None:
    counts: list[int] = []
    hook(monkeypatch, batched, "applied", lambda rows, *_: counts.append(len(rows)))
    table.run("changed by the batch", scene.recipe(), cache)
    assert sum(counts) > EPOCHS * TRAIN
    counts.clear()
    monkeypatch.setattr(album, "MOST_SIDE", 0)
    if scene.kind == "digits":
        monkeypatch.setattr(batched, "knows", lambda _: False)
    table.run("changed one at a time", scene.recipe(), table.folder / "another")
    assert counts == []


@pytest.mark.parametrize(("precision", "cores"), [("bf16", 1), ("fp32", 2)])
def test_arithmetic(scene: Scene, table: Table, cache: Path, precision: str, cores: int) -> None:
    chosen, off = (scene.recipe({"precision": precision}, cache=kept) for kept in ("auto", "none"))
    but, by = ran(table.folder / "off", off, cores=cores), f"{precision}, cores: {cores}"
    table.run(f"on, empty, {by}", chosen, cache, but=but, cores=cores)
    assert scene.is_whole(cache)
    table.run(f"on, with all in it, {by}", chosen, cache, but=but, cores=cores)
    at_once = [note.read_text() for note in cache.glob("features/*/alike-*")]
    assert at_once == ([str(cores)] if scene.kind == "features" else [])


# --- with another process ---------------------------------------------------------------------

WRITER = """
import sys
from pathlib import Path
from fttrain import __main__ as cli
from fttrain.cache import shelf

awaited, *words = sys.argv[1:]
plainly, begun = shelf._write, []

def write(file, data, place):
    if not begun and any(Path(awaited).glob("*")):
        begun.append(place)
        plainly(file, data[: len(data) // 2], place)
        print("amid", flush=True)
        sys.stdin.readline()
    plainly(file, data, place)

shelf._write, shelf._INDEXED_BYTES = write, 10_000
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


def test_two_jobs_at_once(scene: Scene, table: Table, cache: Path, monkeypatch: Patch) -> None:
    other = table.folder / "other"
    with writing(other, scene.recipe(), cache, table.folder) as process:
        hook(monkeypatch, shelf, "_write", lambda *_: process.stdin.close())  # Now both write.
        table.run("two jobs at once, the one", scene.recipe(), cache)
        process.stdout.read()
        assert process.wait() == 0
    table.add("two jobs at once, the other", weights(other))
    assert len(scene.segments(cache)) >= 2
    assert scene.is_whole(cache)


def test_killed_while_it_writes(scene: Scene, table: Table, cache: Path) -> None:
    chosen, killed = scene.recipe({"checkpoint": {"steps": 2}}), table.folder / "killed"
    with writing(killed, chosen, cache, killed / rundir.STEPS) as process:
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert 0 < scene.kept(cache) < (TRAIN + VAL if scene.kind == "pictures" else 2 * TRAIN + VAL)
    left = shutil.copytree(cache, table.folder / "left")

    again = "killed while it writes, taken up again"
    table.run(again, chosen, cache, attempt=2, earlier=[str(killed)])
    resumed = attempts.found(engine.records(table.folder / again), Resumed)
    assert (resumed.step > 0, resumed.inexact) == (True, "")
    table.run("killed while it writes, another run", scene.recipe(), left)
    assert scene.is_whole(cache)
    assert scene.is_whole(left)
