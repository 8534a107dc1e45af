"""Where the images come from."""

from collections.abc import Mapping
from types import MappingProxyType

from fttrain.data import digits, folder
from fttrain.data.samples import Samples, Source
from fttrain.spec.faults import Fault, RecipeFaults
from fttrain.spec.images import Data, Dataset
from fttrain.spec.rundir import DATASET

__all__ = ["Samples", "Source", "load"]
_NONE: Mapping[str, str] = MappingProxyType({})


def load(data: Data, references: Mapping[str, str] = _NONE) -> Source:
    """Find the images that a recipe names. Reads names, not pixels.

    `references` maps `dataset:NAME` to a folder.

    Raises:
        RecipeFaults: with all that is missing, empty or does not go together.
    """
    if data.folder is not None:
        return folder.load(data.folder)
    if data.dataset is not None:
        return folder.load_pushed(data.dataset, _pushed(data.dataset, references))
    assert data.digits is not None, "the schema holds exactly one source"
    return digits.load(data.digits)


def _pushed(spec: Dataset, references: Mapping[str, str]) -> str:
    path = references.get(f"{DATASET}{spec.name}")
    if path is None:
        what = f"no data set `{spec.name}` is known here: a daemon has them; say `folder` instead"
        raise RecipeFaults([Fault(field="data.dataset.name", description=what)])
    return path
