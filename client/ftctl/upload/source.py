"""From what a user names to the files in it."""

import os
from pathlib import Path

from ftctl.errors import BadInput
from ftctl.upload import archive, folder
from ftctl.upload.listing import Listing

Source = str | os.PathLike[str]
"""A folder or a tar archive."""


def listing(source: Source) -> Listing:
    """Return the files of a folder or a tar archive.

    Raises:
        InvalidDataset: with all that must not be in a data set.
        BadInput: where it is neither, empty, damaged, or cannot be read.
    """
    path = Path(source).expanduser()
    try:
        if path.is_dir():
            return folder.listing(path)
        if path.is_file():
            path.open("rb").close()
            return archive.listing(path)
    except PermissionError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}") from None
    if path.exists():
        raise BadInput(f"{path} is neither a folder nor a tar archive")
    raise BadInput(f"there is no {path}; a folder or a tar archive is pushed")
