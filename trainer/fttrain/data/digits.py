"""scikit-learn's handwritten digits: a real data set that needs no download."""

import hashlib
import importlib.util
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fttrain.data import chance
from fttrain.data.samples import Arrays, Source
from fttrain.spec.faults import Fault, RecipeFaults
from fttrain.spec.images import Digits, Preprocess

CLASSES = tuple("0123456789")
_SIDE = 8
_GREYS = 16  # The set's own brightest value.
_TABLE = "datasets/data/digits.csv.gz"
# Keep the split and the noise apart from other chance of the same seed.
_SPLIT, _NOISE = 2, 3

Indices = NDArray[np.int64]


def load(spec: Digits) -> Source:
    """Return the digits, split and made noisy as stated.

    Raises:
        RecipeFaults: where scikit-learn is missing, or has too few digits for what is asked.
    """
    values, labels = _read()
    pixels = _with_noise(values, spec)
    train, val = _split(labels, spec)
    if spec.labels_per_class is not None:
        train = _first_of_each(train, labels, spec.labels_per_class)

    def part(indices: Indices) -> Arrays:
        chosen = np.sort(indices)
        return Arrays(pixels=pixels[chosen], labels=labels[chosen], origins=chosen, what="digit")

    return Source(
        name="digits",
        classes=CLASSES,
        channels=1,
        left_out=(),
        fingerprint=_fingerprint(spec, values, labels),
        train=part(train),
        val=part(val),
        preprocess=Preprocess(mean=[0.5], std=[0.5]),
    )


def _read() -> tuple[NDArray[np.float64], Indices]:
    """Return values 0 to 16, (N, 8, 8, 1), and labels."""
    found = importlib.util.find_spec("sklearn")
    if found is None or found.origin is None:
        raise RecipeFaults([Fault(field="data.digits", description=_MISSING)])
    # Importing scikit-learn takes a second and brings threads of its own; its table does not.
    table = Path(found.origin).parent / _TABLE
    if table.is_file():
        rows = np.loadtxt(table, delimiter=",")
    else:
        from sklearn.datasets import load_digits

        values, labels = load_digits(return_X_y=True)
        rows = np.column_stack([values, labels])
    return rows[:, :-1].reshape(-1, _SIDE, _SIDE, 1), rows[:, -1].astype(np.int64)


_MISSING = "needs scikit-learn, which is not installed: pip install 'finetuned[demo]'"


def _with_noise(values: NDArray[np.float64], spec: Digits) -> NDArray[np.uint8]:
    pixels = np.round(values * 255 / _GREYS)
    if spec.noise:
        # One stretch of the stream per image: its noise depends on seed and index alone.
        normal = chance.normals(pixels.size, seed=spec.split_seed, part=0, purpose=_NOISE)
        noisy = pixels + 255 * spec.noise * normal.reshape(pixels.shape)
        pixels = np.round(noisy).clip(0, 255)
    return pixels.astype(np.uint8)


def _split(labels: Indices, spec: Digits) -> tuple[Indices, Indices]:
    """Return the indices to train and to validate on, each class in an order of its own."""
    train, val = [], []
    for label in range(len(CLASSES)):
        members = np.flatnonzero(labels == label)
        keys = chance.words(len(members), seed=spec.split_seed, part=label, purpose=_SPLIT)
        members = members[np.argsort(keys, kind="stable")]
        count = min(max(round(len(members) * spec.val_share), 1), len(members) - 1)
        val.append(members[:count])
        train.append(members[count:])
    return np.concatenate(train), np.concatenate(val)


def _first_of_each(train: Indices, labels: Indices, count: int) -> Indices:
    """Keep `count` of each class: the fewer are always among the more."""
    per_class = [train[labels[train] == label] for label in range(len(CLASSES))]
    label = min(range(len(CLASSES)), key=lambda c: len(per_class[c]))
    if len(per_class[label]) < count:
        raise RecipeFaults([
            Fault(
                field="data.digits.labels_per_class",
                description=f"asks for {count} of each class, but class `{CLASSES[label]}` has "
                f"{len(per_class[label])} to train on",
            )
        ])  # fmt: skip
    return np.concatenate([members[:count] for members in per_class])


def _fingerprint(spec: Digits, values: NDArray[np.float64], labels: Indices) -> str:
    digest = hashlib.sha256(spec.model_dump_json().encode())
    digest.update(values.astype(np.uint8).tobytes())
    digest.update(labels.astype(np.uint8).tobytes())
    return digest.hexdigest()
