"""The sets of images, each as train/CLASS and val/CLASS, kept from run to run."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from benchmarks.material import unpacked
from benchmarks.speed.environment import cache

SetName = Literal["ants-bees", "cars", "flowers5", "cifar", "large"]
QUICK = 13
"""Images of each class and split in a quick run: a batch of 128 has to be had of ten classes."""
LARGE = (4000, 3000)
_LARGE_EACH = {"train": 16, "val": 8}
_FLOWERS_EACH = {"train": 50, "val": 25}
_EDITION = 1
"""Another one has all sets made anew."""


def folder(name: SetName, *, is_quick: bool = False) -> Path:
    """Return where a set lies, which is made where it is missing."""
    home = cache() / f"sets-{_EDITION}" / (f"{name}-quick-{QUICK}" if is_quick else name)
    if not home.exists():
        home.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=home.parent) as made:
            (_first(name) if is_quick else _MAKERS[name])(Path(made))
            Path(made, "set").rename(home)
    return home


def _first(name: SetName) -> Callable[[Path], None]:
    def make(made: Path) -> None:
        whole = folder(name)
        for split in ("train", "val"):
            for each in _classes(whole / split):
                _copy(sorted(each.iterdir())[:QUICK], made / "set" / split / each.name)

    return make


def _whole(archive: str) -> Callable[[Path], None]:
    def make(made: Path) -> None:
        unpacked(archive, made).rename(made / "set")
        if not (made / "set/val").exists():
            (made / "set/test").rename(made / "set/val")

    return make


def _flowers5(made: Path) -> None:
    """Take so many of each kind, as whole epochs of 4,317 photos would take the whole time."""
    for each in _classes(unpacked("flowers5", made)):
        files = iter(sorted(each.iterdir()))
        for split, count in _FLOWERS_EACH.items():
            taken = [file for file, _ in zip(files, range(count), strict=False)]
            _copy(taken, made / "set" / split / each.name)


def _large(made: Path) -> None:
    """Enlarge photos to what a camera takes: 12 megapixels, about 2 MB."""
    from PIL import Image

    whole = folder("ants-bees")
    for split, count in _LARGE_EACH.items():
        for each in _classes(whole / split):
            target = made / "set" / split / each.name
            target.mkdir(parents=True)
            for file in [path for path in sorted(each.iterdir()) if path.suffix == ".jpg"][:count]:
                with Image.open(file) as image:
                    enlarged = image.convert("RGB").resize(LARGE, Image.Resampling.BICUBIC)
                enlarged.save(target / file.name, quality=92)


_MAKERS: dict[SetName, Callable[[Path], None]] = {
    "ants-bees": _whole("hymenoptera_data"),
    "cars": _whole("stanford_cars_10class"),
    "flowers5": _flowers5,
    "cifar": _whole("cifar10_jpg_subset"),
    "large": _large,
}


def _classes(home: Path) -> Sequence[Path]:
    return sorted(path for path in home.iterdir() if path.is_dir())


def _copy(files: Sequence[Path], target: Path) -> None:
    target.mkdir(parents=True)
    for file in files:
        shutil.copy(file, target)
