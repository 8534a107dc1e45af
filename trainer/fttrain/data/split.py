"""Who is trained on, validated on and tested on. A function of seed, shares and names alone."""

import csv
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from fttrain.data.samples import Indices, Samples, Source
from fttrain.spec.origins import Split

SPLITS = ("train", "val", "test")
CSV = "artifacts/split.csv"


def drawn(names: Sequence[bytes], seed: int) -> list[int]:
    """Return the indices of names in an order of chance that depends on seed and each name alone.

    So a name that is added or removed moves no other, and no locale or file system matters.
    """
    begin = hashlib.blake2b(b"%d\0" % seed, digest_size=16)

    def key(index: int) -> bytes:
        digest = begin.copy()
        digest.update(names[index])
        return digest.digest()

    return sorted(range(len(names)), key=key)


def least(spec: Split) -> int:
    """Return how many images of a class a split takes at least."""
    return 3 if spec.test else 2


def parted(names: Sequence[bytes], spec: Split) -> dict[str, list[int]]:
    """Part the images of one class, of which there are at least `least`: indices, ascending.

    Each part has its share to the nearest image, and at least one.
    """
    order = drawn(names, spec.seed)
    val = _count(len(names), spec.val)
    test = _count(len(names), spec.test) if spec.test else 0
    over = max(val + test + 1 - len(names), 0)  # One stays to train on.
    val, test = (val - over, test) if val >= test else (val, test - over)
    parts = {"train": sorted(order[val + test :]), "val": sorted(order[:val])}
    return {**parts, "test": sorted(order[val : val + test])} if spec.test else parts


def held_out(labels: Indices, classes: int, share: float, seed: int) -> tuple[Indices, Indices]:
    """Return which of some images, known by number, to train on and which to validate on."""
    parts: dict[str, list[Indices]] = {"train": [], "val": []}
    for label in range(classes):
        members = np.flatnonzero(labels == label)
        names = [b"%d" % index for index in members]
        for part, indices in parted(names, Split(val=share, seed=seed)).items():
            parts[part].append(members[indices])
    return np.sort(np.concatenate(parts["train"])), np.sort(np.concatenate(parts["val"]))


def limited(source: Source, most: int) -> Source:
    """Keep at most so many images of each class in each split; fewer are among the more."""
    splits = {name: samples.chosen(_first(samples, most)) for name, samples in source.splits()}
    return source.with_splits(splits)


def digest(source: Source) -> str:
    """Return the SHA-256 of which image, by name, is in which split with which class."""
    lines = sorted("\0".join(row).encode() for row in rows(source))
    return hashlib.sha256(b"\n".join(lines)).hexdigest()


def rows(source: Source) -> Iterator[tuple[str, str, str]]:
    """Yield path, class and split of every image."""
    for name, samples in source.splits():
        for index, label in enumerate(samples.labels.tolist()):
            yield samples.name(index), source.classes[label], name


def write(source: Source, path: Path) -> None:
    """Write the split as a table."""
    path.parent.mkdir(exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(("path", "class", "split"))
        table.writerows(rows(source))


def _count(images: int, share: float) -> int:
    return max(int(images * share + 0.5), 1)


def _first(samples: Samples, most: int) -> Indices:
    kept = []
    for label in np.unique(samples.labels):
        members = np.flatnonzero(samples.labels == label)
        if len(members) > most:
            names = [samples.name(index).encode() for index in members.tolist()]
            members = members[drawn(names, 0)[:most]]
        kept.append(members)
    return np.sort(np.concatenate(kept)).astype(np.int64)
