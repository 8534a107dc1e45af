"""What is wrong with the images: files that cannot be read, and the same one in two splits.

Of files to validate and test on each is decoded, as each counts; of those to train on the first
and last bytes are looked at: what shows later is left out when it does (see `stream`).
"""

import hashlib
import os
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from pathlib import Path

import numpy as np

from fttrain.data import sources
from fttrain.data.decode import Pixels
from fttrain.data.ledger import Ledger
from fttrain.data.samples import Arrays, Files, Samples, Source
from fttrain.spec.faults import Fault, RecipeFaults
from fttrain.spec.images import Data

MOST_LOOKED_AT = 200_000
"""Files to train on; of more, reading them beforehand would take longer than is worth it."""
MOST_DECODED_BYTES = 200 * 2**20
"""Of files to validate or test on: about 10 seconds, once."""
_MOST_AT_ONCE = 4
_SHOWN = 5
_Twin = tuple[str, int, str, int]
"""A split and an index in it, another split and the index of the same image there."""
_Keys = dict[str, dict[int, object]]
"""Of each split, by index: what two images have in common only where they are the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What was found."""

    bad: dict[str, str]
    """Images that cannot be read, by name, and why: left out."""
    dropped: tuple[str, ...] = ()
    """Images that are left out of a split because they lie in another."""
    notices: tuple[str, ...] = ()

    @property
    def left_out(self) -> set[str]:
        """The names of all images that are not used."""
        return {*self.bad, *self.dropped}


def look(source: Source, data: Data, cache: Path | None = None) -> Audit:
    """Look at all images of a source.

    Raises:
        RecipeFaults: where more are bad than `max_bad`, or some lie in two splits and must not.
    """
    ledger = Ledger.read(cache, source.name, sources.decoding(data))
    bad = dict(_bad(source, ledger))
    images = sum(len(samples) for _, samples in source.splits())
    faults = [*_too_many(bad, images, data)]
    sound = source.without(bad)
    dropped: set[str] = set()
    notices = list(_bad_notice(bad))
    if _is_searched(sound, data):
        keys = _keys(dict(sound.splits()), ledger)
        twins = _twins(keys)
        if twins and data.duplicates == "refuse":
            faults.append(Fault(field="data.duplicates", description=_told(sound, twins, _REMOVE)))
        elif twins and data.duplicates == "drop":
            dropped = _dropped(sound, keys)
            notices.append(_dropped_notice(dropped))
        elif twins:
            notices.append(_told(sound, twins, _DROP))
    else:
        notices.append(_UNSEARCHED)
    ledger.write()
    faults += _emptied(source, source.without({*bad, *dropped}))
    if faults:
        raise RecipeFaults(faults)
    return Audit(bad=bad, dropped=tuple(sorted(dropped)), notices=tuple(notices))


# --- bad files --------------------------------------------------------------------------------


def _bad(source: Source, ledger: Ledger) -> Iterator[tuple[str, str]]:
    for which, samples in source.splits():
        if not isinstance(samples, Files):
            continue
        is_whole = which != "train" and _bytes(samples) <= MOST_DECODED_BYTES
        if not is_whole and len(samples) > MOST_LOOKED_AT:
            continue
        if is_whole:
            _decode(samples, ledger)
        for index in range(len(samples)):
            if why := ledger.damage(samples.path(index), is_whole=is_whole):
                yield samples.name(index), why


def _decode(samples: Files, ledger: Ledger) -> None:
    """Have a ledger know all images of few bytes, looked at side by side."""
    paths = (samples.path(index) for index in range(len(samples)))
    new = [path for path in paths if not ledger.knows(path, is_whole=True)]
    # Pillow lets other threads run while it decodes. Each holds a whole image.
    count = min(len(os.sched_getaffinity(0)), _MOST_AT_ONCE)
    with warnings.catch_warnings(), ThreadPoolExecutor(count) as pool:
        # Threads share these filters; who reads an image sets and resets them.
        warnings.simplefilter("ignore")
        list(pool.map(partial(ledger.damage, is_whole=True), new))


def _bytes(samples: Files) -> int:
    return sum(_size(samples.path(index)) for index in range(len(samples)))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _too_many(bad: dict[str, str], images: int, data: Data) -> Iterator[Fault]:
    if len(bad) > data.most_bad(images):
        what = (
            f"is {data.max_bad}, but {too_many(len(bad), images)}: {named(bad)}; replace or remove "
            "them, or allow more"
        )
        yield Fault(field="data.max_bad", description=what)


def too_many(bad: int, images: int) -> str:
    """Say how many images are bad."""
    return f"{bad} of {images} images cannot be read ({100 * bad / images:.3g} %)"


def named(bad: dict[str, str]) -> str:
    """Name bad images, the first of many, each with what is wrong."""
    told = [f"{name} {why.removesuffix('; replace or remove it')}" for name, why in bad.items()]
    more = f"; and {len(told) - 20} more" if len(told) > 20 else ""
    return "; ".join(told[:20]) + more


def _bad_notice(bad: dict[str, str]) -> Iterator[str]:
    if bad:
        are = "images cannot be read and are" if len(bad) > 1 else "image cannot be read and is"
        yield f"{len(bad)} {are} left out: {named(bad)}"


def _emptied(before: Source, after: Source) -> Iterator[Fault]:
    for (which, had), (_, has) in zip(before.splits(), after.splits(), strict=True):
        gone = np.setdiff1d(had.labels, has.labels).tolist()
        for label in gone:
            what = f"class `{before.classes[label]}` has no image left in {which}"
            yield Fault(field="data", description=f"{what} that can be used")


# --- the same image in two splits --------------------------------------------------------------

_REMOVE = "remove them from one, or say `duplicates: drop`"
_DROP = "`data.duplicates: drop` keeps them out of training, `refuse` refuses them"
_UNSEARCHED = (
    f"over {MOST_LOOKED_AT:,} images: whether some lie in two splits was not looked for; "
    "`data.duplicates: drop` or `refuse` does"
)


def _is_searched(source: Source, data: Data) -> bool:
    images = sum(len(samples) for _, samples in source.splits())
    return data.duplicates != "report" or images <= MOST_LOOKED_AT


def _twins(keys: _Keys) -> list[_Twin]:
    """Return each image of a later split that an earlier one has, with its first twin there."""
    twins = []
    for one, other in combinations(keys, 2):
        first: dict[object, int] = {}
        for index, key in keys[one].items():
            first.setdefault(key, index)
        twins += [
            (one, first[key], other, index) for index, key in keys[other].items() if key in first
        ]
    return twins


def _keys(splits: dict[str, Samples], ledger: Ledger) -> _Keys:
    """Return what tells images apart, of those that may lie in two splits."""
    files = {name: samples for name, samples in splits.items() if isinstance(samples, Files)}
    if len(files) == len(splits):
        sizes = {
            name: {index: _size(each.path(index)) for index in range(len(each))}
            for name, each in files.items()
        }
        found: _Keys = {name: {**each} for name, each in sizes.items()}
        for ask in (ledger.tail, ledger.digest):
            found = {
                name: {index: ask(files[name].path(index)) for index in indices}
                for name, indices in _shared(found).items()
            }
        return found
    return {
        name: {i: _digest(samples.pixels[i]) for i in range(len(samples))}
        if isinstance(samples, Arrays)
        else {}
        for name, samples in splits.items()
    }


def _shared(found: _Keys) -> dict[str, list[int]]:
    """Return the indices whose key another split has, too."""
    keys = {name: set(each.values()) for name, each in found.items()}
    return {
        name: [
            index
            for index, key in each.items()
            if any(key in keys[other] for other in keys if other != name)
        ]
        for name, each in found.items()
    }


def _told(source: Source, twins: Sequence[_Twin], remedy: str) -> str:
    splits = dict(source.splits())
    pairs = dict.fromkeys((one, other) for one, _, other, _ in twins)
    counts = ", ".join(
        f"{sum(twin[0::2] == pair for twin in twins)} of {pair[1]} in {pair[0]}" for pair in pairs
    )
    shown = ", ".join(
        f"{splits[one].name(i)} = {splits[other].name(j)}" for one, i, other, j in twins[:_SHOWN]
    )
    more = ", ..." if len(twins) > _SHOWN else ""
    odd = sum(splits[a].labels[i] != splits[b].labels[j] for a, i, b, j in twins)
    under = f", {odd} of them as another class" if odd else ""
    return (
        f"the same image lies in two splits, so that scores flatter: {counts}{under} "
        f"({shown}{more}); {remedy}"
    )


def _dropped(source: Source, keys: _Keys) -> set[str]:
    """Return the images of earlier splits that later ones have."""
    splits, order = dict(source.splits()), list(keys)
    later = {name: {k for o in order[at + 1 :] for k in keys[o].values()}
             for at, name in enumerate(order)}  # fmt: skip
    return {
        splits[name].name(index)
        for name in order
        for index, key in keys[name].items()
        if key in later[name]
    }


def _dropped_notice(dropped: set[str]) -> str:
    names = sorted(dropped)
    shown = ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
    are = "images are" if len(names) > 1 else "image is"
    return f"{len(names)} {are} dropped, as the same lies in a split that is scored: {shown}"


def _digest(pixels: Pixels) -> bytes:
    return hashlib.blake2b(pixels.tobytes(), digest_size=16).digest()
