"""Images in one folder per class."""

import hashlib
import json
import os
import re
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from fttrain.data.samples import Files, Source, printable
from fttrain.spec.faults import Fault, RecipeFaults
from fttrain.spec.images import Dataset, Folder
from fttrain.spec.nearest import hint, nearest

EXTENSIONS = ("jpg", "jpeg", "png", "webp", "bmp", "tif", "tiff")
_JUNK = (b"__MACOSX", b"Thumbs.db")


def load(spec: Folder) -> Source:
    """Return the images of a folder with a subfolder to train and one to validate on.

    Raises:
        RecipeFaults: for what is missing, empty or does not go together.
    """
    title = spec.path.rstrip("/")
    tree = _Tree(
        field="data.folder", title=title, root=Path(spec.path), train=spec.train, val=spec.val
    )
    return _load(tree, name=f"folder {spec.path}")


def load_pushed(spec: Dataset, path: str) -> Source:
    """Return the images of a pushed data set, which lies in a folder named by its digest.

    Raises:
        RecipeFaults: as `load`.
    """
    title, root = f"data set {spec.name}", Path(path)
    tree = _Tree(field="data.dataset", title=title, root=root, train=spec.train, val=spec.val)
    # By what it holds: the same files may have been put there again since.
    parts = json.dumps([root.name, spec.train, spec.val])
    digest = hashlib.sha256(parts.encode()).hexdigest()
    return replace(_load(tree, name=title), fingerprint=digest)


def natural(name: str) -> tuple[list[str | int], str]:
    """Return a key that sorts as people count: 1, 2, 10."""
    # Text and numbers take turns, so that like is always compared with like.
    parts = re.split("([0-9]+)", name)
    return [int(part) if i % 2 else part for i, part in enumerate(parts)], name


# --- reading ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tree:
    """A folder with images, and what its users call it."""

    field: str
    title: str
    root: Path
    train: str
    val: str

    @property
    def parts(self) -> tuple[tuple[str, str], ...]:
        """Both subfolders, and what they are for."""
        return ("train", self.train), ("val", self.val)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    path: bytes
    """Relative to the root."""
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Split:
    classes: dict[str, list[_Entry]]
    left_out: list[bytes]


def _load(tree: _Tree, *, name: str) -> Source:
    splits = _scan(tree)
    classes = tuple(sorted(splits["train"].classes, key=natural))
    faults = list(_check(tree, splits))
    if faults:
        raise RecipeFaults(faults)
    left_out = [path for split in splits.values() for path in split.left_out]
    return Source(
        name=name,
        classes=classes,
        channels=3,
        left_out=tuple(printable(path) for path in sorted(set(left_out))),
        fingerprint=_fingerprint(splits),
        train=_samples(tree.root, splits["train"], classes),
        val=_samples(tree.root, splits["val"], classes),
        preprocess=None,
    )


def _scan(tree: _Tree) -> dict[str, _Split]:
    """Read both subfolders."""
    root = tree.root
    if not root.is_dir():
        kind = "is not a folder" if root.exists() else "does not exist on this machine"
        raise RecipeFaults([Fault(field=f"{tree.field}.path", description=f"{root} {kind}")])
    faults, splits = [], {}
    for which, name in tree.parts:
        field = f"{tree.field}.{which}"
        try:
            splits[which] = _scan_split(os.fsencode(root), os.fsencode(name))
        except (FileNotFoundError, NotADirectoryError):
            faults.append(Fault(field=field, description=_no_subfolder(tree, name)))
        except PermissionError as error:
            description = f"{error.filename} cannot be read: permission denied"
            faults.append(Fault(field=field, description=description))
    if faults:
        raise RecipeFaults(faults)
    return splits


def _no_subfolder(tree: _Tree, name: str) -> str:
    there = sorted((p.name for p in tree.root.iterdir() if p.is_dir()), key=natural)
    known = hint(name, there) or (
        f"; folders there: {', '.join(there) or 'none'}. Photos lie in {name}/CLASS"
    )
    return f"{tree.title or '/'} has no folder `{name}`{known}"


def _scan_split(root: bytes, name: bytes) -> _Split:
    classes: dict[str, list[_Entry]] = {}
    left_out: list[bytes] = []
    with os.scandir(os.path.join(root, name)) as entries:  # noqa: PTH118
        for entry in entries:
            path = name + b"/" + entry.name
            if not entry.is_dir():
                left_out.append(path)
            elif _is_junk(entry.name):
                left_out += _all_files(root, path)
            else:
                classes[printable(entry.name)] = _scan_class(root, path, left_out)
    return _Split(classes=classes, left_out=left_out)


def _scan_class(root: bytes, path: bytes, left_out: list[bytes]) -> list[_Entry]:
    images = []
    for file, is_junk in _walk(root, path, is_junk=False, above=()):
        found = None if is_junk or not _has_image_name(file) else _entry(root, file)
        if found is None:
            left_out.append(file)
        else:
            images.append(found)
    return sorted(images, key=lambda image: image.path)


def _all_files(root: bytes, path: bytes) -> list[bytes]:
    return [file for file, _ in _walk(root, path, is_junk=True, above=())]


def _walk(
    root: bytes, path: bytes, *, is_junk: bool, above: tuple[tuple[int, int], ...]
) -> Iterator[tuple[bytes, bool]]:
    """Yield each file beneath, links followed, with whether it or a folder above it is junk."""
    place = os.path.join(root, path)  # noqa: PTH118
    status = os.stat(place)  # noqa: PTH116
    identity = (status.st_dev, status.st_ino)
    if identity in above:  # A link that leads back up.
        return
    with os.scandir(place) as entries:
        for entry in entries:
            below, junk = path + b"/" + entry.name, is_junk or _is_junk(entry.name)
            if entry.is_dir():
                yield from _walk(root, below, is_junk=junk, above=(*above, identity))
            else:
                yield below, junk


def _entry(root: bytes, path: bytes) -> _Entry | None:
    """Return a file's entry; None where it is no plain file or a link to nowhere."""
    try:
        status = os.stat(os.path.join(root, path))  # noqa: PTH116, PTH118
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    return _Entry(path=path, size=status.st_size, mtime_ns=status.st_mtime_ns)


def _is_junk(name: bytes) -> bool:
    return name.startswith(b".") or name in _JUNK


def _has_image_name(path: bytes) -> bool:
    return path.rpartition(b".")[2].lower().decode(errors="replace") in EXTENSIONS


# --- checking ---------------------------------------------------------------------------------


def _check(tree: _Tree, splits: dict[str, _Split]) -> Iterator[Fault]:
    train, val = splits["train"].classes, splits["val"].classes
    for which, name in tree.parts:
        place = f"{tree.title}/{name}"
        yield from _check_split(f"{tree.field}.{which}", place, splits[which].classes)
    if not train or not val:
        return
    unknown = sorted(val.keys() - train.keys(), key=natural)
    if unknown:
        yield Fault(
            field=f"{tree.field}.val",
            description=f"has {_named(unknown)}, which `{tree.train}` lacks; "
            f"`{tree.train}` has {_named(sorted(train, key=natural))}"
            + _meant(unknown, train.keys() - val.keys()),
        )
    absent = sorted(train.keys() - val.keys(), key=natural)
    if absent:
        yield Fault(
            field=f"{tree.field}.val",
            description=f"lacks {_named(absent)}, which `{tree.train}` has; "
            "every class needs images to validate on",
        )


def _check_split(field: str, place: str, classes: dict[str, list[_Entry]]) -> Iterator[Fault]:
    empty = sorted((name for name, images in classes.items() if not images), key=natural)
    if not classes:
        yield Fault(field=field, description=f"{place} has no folders, one is needed per class")
    elif len(empty) == len(classes):
        extensions = ", ".join(EXTENSIONS)
        yield Fault(field=field, description=f"{place} has no images; read are {extensions}")
    elif empty:
        yield Fault(
            field=field,
            description=f"{place}: {_named(empty)} {_has(empty)} no images; "
            "put some in or remove the folder",
        )
    elif len(classes) == 1 and field.endswith("train"):
        yield Fault(
            field=field,
            description=f"{place} has {_named(list(classes))} alone; "
            "to tell apart takes two classes",
        )


def _meant(unknown: list[str], absent: Iterable[str]) -> str:
    """Say which folders of the one side are probably those of the other, misspelled."""
    pairs = [(name, near) for name in unknown[:10] if (near := nearest(name, absent))]
    shown = ", ".join(f"`{name}` to `{near}`" for name, near in pairs)
    return f". Rename {shown}?" if pairs else ""


def _named(names: list[str]) -> str:
    """Name classes; of many, the first ten."""
    shown = ", ".join(f"`{name}`" for name in names[:10])
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return f"{'class' if len(names) == 1 else 'classes'} {shown}{more}"


def _has(names: list[str]) -> str:
    return "has" if len(names) == 1 else "have"


# --- what comes out ---------------------------------------------------------------------------


def _samples(root: Path, split: _Split, classes: tuple[str, ...]) -> Files:
    paths = [image.path for name in classes for image in split.classes[name]]
    counts = [len(split.classes[name]) for name in classes]
    return Files(root, paths, np.repeat(np.arange(len(classes), dtype=np.int64), counts))


def _fingerprint(splits: dict[str, _Split]) -> str:
    images = {
        image.path: image
        for split in splits.values()
        for entries in split.classes.values()
        for image in entries
    }
    digest = hashlib.sha256()
    for path in sorted(images):
        image = images[path]
        digest.update(b"%b\0%d\0%d\n" % (path, image.size, image.mtime_ns))
    return digest.hexdigest()
