"""What an engine that runs for days must not do: grow, or need room that containers lack."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_pre_hook

from fttrain.data import sources
from fttrain.data.order import batches, epoch_order
from fttrain.data.sources import Samples
from fttrain.data.stream import Stream, Task
from fttrain.data.view import TrainView
from fttrain.spec.augmentation import Augmentation, RandomResizedCrop
from fttrain.spec.images import Data, Folder, Preprocess
from fttrain.spec.recipe import Recipe
from tests import engine
from tests.photos import make_photo_folder

CROPPED = [Augmentation(random_resized_crop=RandomResizedCrop(size=24))]
FRAMED = Preprocess(resize=32, crop=28, mean=[0.5], std=[0.5])
MIB = 2**20
REPOSITORY = Path(__file__).resolve().parents[3]
WITHOUT_SHM = """
import sys
from tests.unit.trainer.test_room import images_of
print(images_of(sys.argv[1], workers=2))
"""
GROWN = """
import json, sys
from tests.unit.trainer.test_room import grown
print(json.dumps(grown(sys.argv[1], epochs=20, settled=5)))
"""


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_photo_folder(tmp_path_factory.mktemp("room") / "photos", per_class=40)


def samples_of(photos: Path) -> Samples:
    return sources.load(Data(folder=Folder(path=str(photos)))).train


def epoch(samples: Samples, number: int) -> list[Task]:
    return [Task(number, each) for each in batches(epoch_order(len(samples), 0, number), 8, True)]


def images_of(photos: str, *, workers: int) -> int:
    """Return how many images an epoch through loader processes has."""
    samples = samples_of(Path(photos))
    with Stream(samples, TrainView(FRAMED, CROPPED, seed=0), workers) as stream:
        return sum(len(batch.indices) for batch in stream.run(epoch(samples, 1)))


def grown(photos: str, *, epochs: int, settled: int) -> list[int]:
    """Return by how many bytes each loader grew after some epochs, which it needs to settle."""
    samples = samples_of(Path(photos))
    held: list[dict[int, int]] = []
    with Stream(samples, TrainView(FRAMED, CROPPED, seed=0), workers=2) as stream:
        for number in range(1, epochs + 1):
            for _batch in stream.run(epoch(samples, number)):
                pass
            children = psutil.Process().children()
            held.append({each.pid: each.memory_full_info().uss for each in children})
    return [end - held[settled - 1][pid] for pid, end in held[-1].items()]


def test_loader_processes_do_not_grow_from_epoch_to_epoch(photos: Path) -> None:
    """R11: what forked processes only read is not copied, page by page, as its uses are counted."""
    # In a process of its own: here, other tests' threads write to pages that loaders share, and
    # a page of which all others took a copy counts as the loader's own.
    script = [sys.executable, "-c", GROWN, str(photos)]
    done = subprocess.run(script, capture_output=True, text=True, check=False, cwd=REPOSITORY)

    assert done.stderr == ""
    growth = json.loads(done.stdout)
    assert len(growth) == 2
    assert max(growth) < 2 * MIB


def test_loader_processes_need_no_room_in_shared_memory(photos: Path) -> None:
    """R10: containers give /dev/shm 64 MiB or none; batches lie in memory of their own."""
    if os.getuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("needs root and unshare, to have a /dev/shm of its own")
    script = [sys.executable, "-c", WITHOUT_SHM, str(photos)]
    mounts = 'mount -t tmpfs -o size=4k,ro tmpfs /dev/shm && exec "$@"'
    done = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "sh", "-c", mounts, "sh", *script],
        capture_output=True, text=True, check=False, cwd=REPOSITORY,
    )  # fmt: skip

    assert done.stderr == ""
    assert done.stdout == f"{len(samples_of(photos))}\n"


def test_a_net_sees_few_shapes_however_images_are_cropped(photos: Path, tmp_path: Path) -> None:
    """R20: oneDNN keeps its work for each shape that it meets; a run brings a handful."""
    seen: set[torch.Size] = set()

    def look(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        is_first = isinstance(module, nn.Conv2d) and module.in_channels == 3
        if is_first and not inputs[0].is_meta:  # The plan tries the net without values.
            seen.add(inputs[0].shape)

    hook = register_module_forward_pre_hook(look)
    try:
        engine.trained(tmp_path / "run", cropped(photos))
    finally:
        hook.remove()

    # Whole batches and the last, shorter one; as they are trained on and as they are evaluated.
    assert 1 <= len(seen) <= 4


def cropped(photos: Path) -> Recipe:
    plain = engine.photos(photos, {"cnn": {}}, epochs=3, batch_size=16)
    return plain.model_copy(update={"data": plain.data.model_copy(update={"augment": CROPPED})})
