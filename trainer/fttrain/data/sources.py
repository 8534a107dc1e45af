"""Where the images come from."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from fttrain.data import cub200, digits, fake, folder, manifest, split, torchvision_sets
from fttrain.data.decode import Decoding
from fttrain.data.samples import Samples, Source
from fttrain.spec.faults import Fault, RecipeFaults
from fttrain.spec.images import Data, Dataset
from fttrain.spec.rundir import DATASET

__all__ = ["Samples", "Source", "decoding", "load"]
_NONE: Mapping[str, str] = MappingProxyType({})


def load(data: Data, references: Mapping[str, str] = _NONE) -> Source:
    """Find the images that a recipe names. Reads names, not pixels.

    `references` maps `dataset:NAME` to a folder.

    Raises:
        RecipeFaults: with all that is missing, empty or does not go together.
    """
    source = _whole(data, references)
    return source if data.limit is None else _limited(source, data.limit)


def decoding(data: Data) -> Decoding:
    """Return what a recipe says of how files become pixels."""
    red, green, blue = data.background
    return Decoding(
        max_pixels=data.max_pixels, background=(red, green, blue), min_side=data.decode_min_side
    )


def _whole(data: Data, references: Mapping[str, str]) -> Source:
    how = decoding(data)
    match data:
        case Data(folder=spec) if spec is not None:
            return folder.load(spec, how)
        case Data(dataset=spec) if spec is not None:
            return folder.load_pushed(spec, _pushed(spec, references), how)
        case Data(manifest=spec) if spec is not None:
            return manifest.load(spec, how)
        case Data(torchvision=spec) if spec is not None:
            return torchvision_sets.load(spec, how)
        case Data(cub200=spec) if spec is not None:
            return cub200.load(spec, how)
        case Data(fake=spec) if spec is not None:
            return fake.load(spec)
    assert data.digits is not None, "the schema holds exactly one source"
    return digits.load(data.digits)


def _pushed(spec: Dataset, references: Mapping[str, str]) -> str:
    path = references.get(f"{DATASET}{spec.name}")
    if path is None:
        what = f"no data set `{spec.name}` is known here: a daemon has them; say `folder` instead"
        raise RecipeFaults([Fault(field="data.dataset.name", description=what)])
    return path


def _limited(source: Source, most: int) -> Source:
    """Keep at most so many images of each class in each split, and say so."""
    kept = split.limited(source, most)
    counts = [
        f"{len(samples)} of {len(whole)} in {name}"
        for (name, samples), (_, whole) in zip(kept.splits(), source.splits(), strict=True)
    ]
    told = f"data.limit keeps {', '.join(counts)}: figures speak of these alone"
    return replace(kept, is_drawn=True, notices=(*source.notices, told))
