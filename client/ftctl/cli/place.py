"""Where a picture is written."""

from pathlib import Path

from ftctl.errors import BadInput


def free(place: Path, *, is_forced: bool) -> Path:
    """Return a place. Raises BadInput where a file is that is not to be replaced."""
    if place.exists() and not is_forced:
        raise BadInput(f"{place}: is there already; --force replaces it")
    return place


def write(place: Path, picture: bytes) -> None:
    """Write a picture. Raises BadInput where it cannot be."""
    try:
        place.write_bytes(picture)
    except OSError as error:
        raise BadInput(f"{place}: cannot be written: {error.strerror}") from None
