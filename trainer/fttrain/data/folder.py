"""Images in one folder per class."""

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from fttrain.data.decode import Decoding
from fttrain.data.found import Found, check_classes, has, named, part
from fttrain.data.samples import Source
from fttrain.data.tree import EXTENSIONS, Classes, natural, scan
from fttrain.spec.faults import Fault, RecipeFaults
from fttrain.spec.nearest import hint
from fttrain.spec.origins import Dataset, Folder, Split


def load(spec: Folder, how: Decoding) -> Source:
    """Return the images of a folder with a subfolder per split, or of one that is parted.

    Raises:
        RecipeFaults: for what is missing, empty or does not go together.
    """
    title, name = spec.path.rstrip("/"), f"folder {spec.path}"
    return _load(_tree("data.folder", title, Path(spec.path), spec), name).source(how)


def load_pushed(spec: Dataset, path: str, how: Decoding) -> Source:
    """Return the images of a pushed data set, which lies in a folder named by its digest.

    Raises:
        RecipeFaults: as `load`.
    """
    title, root = f"data set {spec.name}", Path(path)
    source = _load(_tree("data.dataset", title, root, spec), title).source(how)
    # By what it holds: the same files may have been put there again since.
    parts = json.dumps([root.name, spec.model_dump(exclude={"name"})])
    return replace(source, fingerprint=hashlib.sha256(parts.encode()).hexdigest())


def load_tree(field: str, name: str, root: Path) -> Found:
    """Return the images of a published tree of train and val. Raises as `load`."""
    return _load(_tree(field, str(root), root, Folder(path=str(root))), name)


# --- reading ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tree:
    """A folder with images, and what its users call it."""

    field: str
    title: str
    root: Path
    parts: dict[str, str]
    """The subfolder of each split."""
    split: Split | None

    @property
    def fields(self) -> dict[str, str]:
        """Where the recipe names each split."""
        return {which: f"{self.field}.{which}" for which in self.parts}


def _tree(field: str, title: str, root: Path, spec: Folder | Dataset) -> _Tree:
    parts = {"train": spec.train, "val": spec.val}
    if spec.test is not None:
        parts["test"] = spec.test
    return _Tree(field=field, title=title, root=root, parts=parts, split=spec.split)


def _load(tree: _Tree, name: str) -> Found:
    root = tree.root
    if not root.is_dir():
        kind = "is not a folder" if root.exists() else "does not exist on this machine"
        raise RecipeFaults([Fault(field=f"{tree.field}.path", description=f"{root} {kind}")])
    if tree.split is not None:
        return _parted(tree, tree.split, name)
    found, left_out = _scan(tree)
    faults = list(_check(tree, found))
    if faults:
        raise RecipeFaults(faults)
    notices = tuple(_unread(tree))
    return Found(name=name, root=root, splits=found, left_out=left_out, notices=notices)


def _parted(tree: _Tree, split: Split, name: str) -> Found:
    """Part one folder of classes."""
    try:
        classes, left_out = scan(os.fsencode(tree.root), b"")
    except PermissionError as error:
        what = f"{error.filename} cannot be read: permission denied"
        raise RecipeFaults([Fault(field=f"{tree.field}.path", description=what)]) from None
    field = f"{tree.field}.split"
    faults = list(_check_split(field, tree.title, classes, is_train=True))
    if {"train", "val"} <= classes.keys():
        what = f"{tree.title} has folders `train` and `val`: it is parted already; leave out split"
        faults.append(Fault(field=field, description=what))
    if faults:
        raise RecipeFaults(faults)
    made = part(classes, split, field=field, title=tree.title)
    return Found(name=name, root=tree.root, splits=made, left_out=left_out, is_drawn=True)


def _scan(tree: _Tree) -> tuple[dict[str, Classes], list[bytes]]:
    """Read all subfolders."""
    faults, found, left_out = [], {}, []
    for which, name in tree.parts.items():
        field = tree.fields[which]
        try:
            found[which], others = scan(os.fsencode(tree.root), os.fsencode(name))
            left_out += others
        except (FileNotFoundError, NotADirectoryError):
            faults.append(Fault(field=field, description=_no_subfolder(tree, name)))
        except PermissionError as error:
            description = f"{error.filename} cannot be read: permission denied"
            faults.append(Fault(field=field, description=description))
    if faults:
        raise RecipeFaults(faults)
    return found, left_out


def _no_subfolder(tree: _Tree, name: str) -> str:
    there = sorted((p.name for p in tree.root.iterdir() if p.is_dir()), key=natural)
    known = hint(name, there) or (
        f"; folders there: {', '.join(there) or 'none'}. Photos lie in {name}/CLASS"
        + (
            "; or, where these are the classes, say `split`"
            if len(there) > 1 and not {"train", "val"} & {*there}
            else ""
        )
    )
    return f"{tree.title or '/'} has no folder `{name}`{known}"


# --- checking ---------------------------------------------------------------------------------


def _check(tree: _Tree, found: dict[str, Classes]) -> Iterator[Fault]:
    for which, name in tree.parts.items():
        place = f"{tree.title}/{name}"
        yield from _check_split(tree.fields[which], place, found[which], is_train=which == "train")
    yield from check_classes(found, fields=tree.fields, called=tree.parts)


def _check_split(field: str, place: str, classes: Classes, *, is_train: bool) -> Iterator[Fault]:
    empty = sorted((name for name, images in classes.items() if not images), key=natural)
    if not classes:
        yield Fault(field=field, description=f"{place} has no folders, one is needed per class")
    elif len(empty) == len(classes):
        extensions = ", ".join(EXTENSIONS)
        yield Fault(field=field, description=f"{place} has no images; read are {extensions}")
    elif empty:
        yield Fault(
            field=field,
            description=f"{place}: {named(empty)} {has(empty)} no images; "
            "put some in or remove the folder",
        )
    elif len(classes) == 1 and is_train:
        yield Fault(
            field=field,
            description=f"{place} has {named(list(classes))} alone; "
            "to tell apart takes two classes",
        )


def _unread(tree: _Tree) -> Iterator[str]:
    """Say that there is a test set that nobody asked for."""
    if "test" not in tree.parts and (tree.root / "test").is_dir():
        where = f"`{tree.field}.test: test`"
        yield (
            f"{tree.title}/test is not read; {where} evaluates it once, at the end, by the best "
            "checkpoint"
        )
