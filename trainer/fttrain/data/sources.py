"""Where the images come from."""

from fttrain.data import digits, folder
from fttrain.data.samples import Samples, Source
from fttrain.spec.recipe import Data

__all__ = ["Samples", "Source", "load"]


def load(data: Data) -> Source:
    """Find the images that a recipe names. Reads names, not pixels.

    Raises:
        RecipeFaults: with all that is missing, empty or does not go together.
    """
    if data.folder is not None:
        return folder.load(data.folder)
    assert data.digits is not None, "the schema holds exactly one source"
    return digits.load(data.digits)
