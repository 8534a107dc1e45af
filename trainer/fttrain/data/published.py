"""What published sets have in common: images to train on and to test on, by their own lists."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from fttrain.data import split
from fttrain.data.decode import Pixels
from fttrain.data.found import Found
from fttrain.data.samples import Arrays, Indices, Labels, Source
from fttrain.data.tree import Classes, entry
from fttrain.spec.faults import Fault, RecipeFaults
from fttrain.spec.images import Preprocess
from fttrain.spec.origins import Cub200, Split, TorchvisionSet

Official = TorchvisionSet | Cub200
OFFICIAL_TEST = (
    "validates on the official test images, as `validate_on_test` says: the best epoch is chosen "
    "on them, so its figure flatters, and nothing is left to test on"
)


class NotThere(Exception):
    """A file of a published set that is missing or not of its format."""


def files(
    spec: Official,
    *,
    name: str,
    root: Path,
    classes: Sequence[str],
    train: Iterable[tuple[str, str]],
    test: Iterable[tuple[str, str]],
) -> Found:
    """Sort files, each a path and a class, as the recipe wants them.

    Raises:
        NotThere: where a listed file is missing.
    """
    trained, tested = _classes(root, classes, train), _classes(root, classes, test)
    if spec.validate_on_test:
        return Found(
            name=name,
            root=root,
            splits={"train": trained, "val": tested},
            classes=classes,
            notices=(OFFICIAL_TEST,),
        )
    made: dict[str, Classes] = {"train": {}, "val": {}}
    parts = Split(val=spec.val_share, seed=spec.split_seed)
    for label, entries in trained.items():
        drawn = split.parted([item.path for item in entries], parts)
        for which, indices in drawn.items():
            made[which][label] = [entries[index] for index in indices]
    splits = {**made, "test": tested}
    return Found(name=name, root=root, splits=splits, classes=classes, is_drawn=True)


def arrays(
    spec: Official,
    *,
    name: str,
    classes: Sequence[str],
    train: tuple[Pixels, Labels],
    test: tuple[Pixels, Labels],
    fingerprint: str,
) -> Source:
    """Sort images in memory, (N, H, W, C) and labels, as the recipe wants them."""
    given = {"train": train, "test": test}

    def part(which: str, chosen: Indices) -> Arrays:
        pixels, labels = given[which]
        what = f"{which} image"
        return Arrays(pixels=pixels[chosen], labels=labels[chosen], origins=chosen, what=what)

    every = {which: np.arange(len(labels)) for which, (_, labels) in given.items()}
    kept, held = every["train"], every["test"]
    if not spec.validate_on_test:
        kept, held = split.held_out(train[1], len(classes), spec.val_share, spec.split_seed)
    channels = train[0].shape[-1]
    return Source(
        name=name,
        classes=tuple(classes),
        channels=channels,
        left_out=(),
        fingerprint=fingerprint,
        train=part("train", kept),
        val=part("test" if spec.validate_on_test else "train", held),
        test=None if spec.validate_on_test else part("test", every["test"]),
        is_drawn=not spec.validate_on_test,
        notices=(OFFICIAL_TEST,) if spec.validate_on_test else (),
        preprocess=Preprocess(mean=[0.5], std=[0.5]),
    )


def fault(field: str, description: str) -> RecipeFaults:
    """Return the error of one fault."""
    return RecipeFaults([Fault(field=field, description=description)])


def _classes(root: Path, classes: Sequence[str], items: Iterable[tuple[str, str]]) -> Classes:
    made: Classes = {name: [] for name in classes}
    for path, label in items:
        if label not in made:
            raise NotThere(f"{root}: the list of classes lacks `{label}`, which {path} is of")
        try:
            file = entry(os.fsencode(root), os.fsencode(path))
        except PermissionError:
            raise NotThere(f"{root / path} cannot be read: permission denied") from None
        if file is None:
            raise NotThere(f"{root / path} is listed and not there")
        made[label].append(file)
    return made
