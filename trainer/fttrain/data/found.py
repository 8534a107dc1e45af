"""From image files, found and sorted into splits and classes, to a source."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fttrain.data import split as splits
from fttrain.data.decode import Decoding
from fttrain.data.samples import Files, Source, printable
from fttrain.data.tree import Classes, natural
from fttrain.spec.faults import Fault, RecipeFaults
from fttrain.spec.nearest import nearest
from fttrain.spec.origins import Split

_PURPOSES = {"train": "train on", "val": "validate on", "test": "test on"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Image files under a root."""

    name: str
    """What users call the source."""
    root: Path
    splits: Mapping[str, Classes]
    """`train`, `val` and perhaps `test`."""
    left_out: Sequence[bytes] = ()
    classes: Sequence[str] | None = None
    """In their own order, where they have one; else in natural order."""
    is_drawn: bool = False
    notices: tuple[str, ...] = ()

    def source(self, how: Decoding) -> Source:
        """Return the source."""
        known = self.splits["train"]
        classes = tuple(sorted(known, key=natural) if self.classes is None else self.classes)
        files = {
            name: files_of(self.root, found, classes, how) for name, found in self.splits.items()
        }
        return Source(
            name=self.name,
            classes=classes,
            channels=3,
            left_out=tuple(printable(path) for path in sorted(set(self.left_out))),
            fingerprint=_fingerprint(self.splits),
            train=files["train"],
            val=files["val"],
            test=files.get("test"),
            is_drawn=self.is_drawn,
            notices=self.notices,
        )


def files_of(root: Path, found: Classes, classes: Sequence[str], how: Decoding) -> Files:
    """Return the files of a split, class by class in the order of `classes`, which number them."""
    paths = [item.path for name in classes for item in found.get(name, ())]
    counts = [len(found.get(name, ())) for name in classes]
    return Files(root, paths, np.repeat(np.arange(len(classes), dtype=np.int64), counts), how)


def part(classes: Classes, spec: Split, *, field: str, title: str) -> dict[str, Classes]:
    """Part each class.

    Raises:
        RecipeFaults: where a class has too few images for that.
    """
    least = splits.least(spec)
    short = [name for name in sorted(classes, key=natural) if len(classes[name]) < least]
    if short:
        parts = "train, val and test" if spec.test else "train and val"
        what = (
            f"{title}: {named(short)} {has(short)} fewer than the {least} images that a split into "
            f"{parts} takes; put more in or remove the class"
        )
        raise RecipeFaults([Fault(field=field, description=what)])
    made: dict[str, Classes] = {}
    for name, entries in classes.items():
        drawn = splits.parted([item.path for item in entries], spec)
        for which, indices in drawn.items():
            made.setdefault(which, {})[name] = [entries[index] for index in indices]
    return made


def check_classes(
    found: Mapping[str, Classes], *, fields: Mapping[str, str], called: Mapping[str, str]
) -> Iterator[Fault]:
    """Yield what is wrong with classes that are in one split and not in another.

    `fields` and `called` say of each split where the recipe names it, and how.
    """
    train, name = found["train"], called["train"]
    if not train:
        return
    for which in [which for which in found if which != "train" and found[which]]:
        other = found[which]
        unknown = sorted(other.keys() - train.keys(), key=natural)
        if unknown:
            yield Fault(
                field=fields[which],
                description=f"has {named(unknown)}, which `{name}` lacks; "
                f"`{name}` has {named(sorted(train, key=natural))}"
                + meant(unknown, train.keys() - other.keys()),
            )
        absent = sorted(train.keys() - other.keys(), key=natural)
        if absent:
            yield Fault(
                field=fields[which],
                description=f"lacks {named(absent)}, which `{name}` has; "
                f"every class needs images to {_PURPOSES[which]}",
            )


def named(names: Sequence[str]) -> str:
    """Name classes; of many, the first ten."""
    shown = ", ".join(f"`{name}`" for name in names[:10])
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return f"{'class' if len(names) == 1 else 'classes'} {shown}{more}"


def has(names: Sequence[str]) -> str:
    """Return the verb that goes with so many names."""
    return "has" if len(names) == 1 else "have"


def meant(unknown: Sequence[str], absent: Iterable[str]) -> str:
    """Say which classes of the one side are probably those of the other, misspelled."""
    pairs = [(name, near) for name in unknown[:10] if (near := nearest(name, absent))]
    shown = ", ".join(f"`{name}` to `{near}`" for name, near in pairs)
    return f". Rename {shown}?" if pairs else ""


def _fingerprint(found: Mapping[str, Classes]) -> str:
    lines = [
        b"%b\0%d\0%d\0%b\0%b\n"
        % (item.path, item.size, item.mtime_ns, which.encode(), os.fsencode(name))
        for which, classes in found.items()
        for name, entries in classes.items()
        for item in entries
    ]
    return hashlib.sha256(b"".join(sorted(lines))).hexdigest()
