"""What a model says of images, and the image files that it is asked about."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ftctl.errors import BadImage

EXTENSIONS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
"""What counts as an image in a folder: as in the folder of a recipe."""

# What the daemon takes; more images become several calls.
MOST_IMAGES = 10_000
MOST_IMAGE_BYTES = 64 * 2**20
MOST_BYTES = 2 * 2**30
PIECE_BYTES = 2 * 2**20

MOST_TOP = 5
"""How many classes an answer names at most."""
MOST_TOLD = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What a model says of one image."""

    path: Path
    label: str
    """The class with the highest probability."""
    probability: float
    """Its probability, 0 to 1."""
    top: tuple[tuple[str, float], ...]
    """Every class with its probability, the highest first; at most 5."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """An image file."""

    path: Path
    size_bytes: int


def pictures(paths: Iterable[str | Path]) -> list[Picture]:
    """Return the image files that are meant: a folder means those in and beneath it, sorted.

    Raises:
        BadImage: with all that cannot be sent.
    """
    found: list[Picture] = []
    faults: list[tuple[Path, str]] = []
    for path in map(Path, paths):
        try:
            for picture in _meant_by(path):
                if picture.size_bytes > MOST_IMAGE_BYTES:
                    limit = f"{MOST_IMAGE_BYTES // 2**20} MiB"
                    faults.append((picture.path, f"is larger than {limit}; scale it down"))
                found.append(picture)
        except OSError as error:
            faults.append((Path(error.filename or path), f"cannot be read: {error.strerror}"))
        except LookupError:
            faults.append((path, f"is a folder without images ({', '.join(EXTENSIONS)})"))
    if faults:
        raise _faulty(faults)
    return found


def calls(found: Sequence[Picture]) -> Iterator[list[Picture]]:
    """Yield the images of each call, in order: as many as a call takes; at least one call."""
    group: list[Picture] = []
    size = 0
    for picture in found:
        if len(group) == MOST_IMAGES or size + picture.size_bytes > MOST_BYTES:
            yield group
            group, size = [], 0
        group.append(picture)
        size += picture.size_bytes
    yield group


def piece(path: Path, offset: int) -> bytes:
    """Read what a request takes of an image from a position on. Raises BadImage."""
    try:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(PIECE_BYTES)
    except OSError as error:
        raise BadImage(f"{path} cannot be read: {error.strerror}", path=path) from None


def _meant_by(path: Path) -> list[Picture]:
    """Return the images that a path means. Raises LookupError for a folder that has none."""
    files = sorted(_beneath(path)) if path.is_dir() else [path]
    if not files:
        raise LookupError
    return [Picture(path=file, size_bytes=file.stat().st_size) for file in files]


def _beneath(folder: Path) -> Iterator[Path]:
    """Yield the images in and beneath a folder, but for hidden ones."""
    for path in folder.iterdir():
        if path.name.startswith("."):
            continue
        if path.is_dir():
            yield from _beneath(path)
        elif path.suffix.lower() in EXTENSIONS:
            yield path


def _faulty(faults: Sequence[tuple[Path, str]]) -> BadImage:
    lines = [f"{path} {why}" for path, why in faults[:MOST_TOLD]]
    rest = len(faults) - len(lines)
    return BadImage("\n".join(lines + [f"and {rest:,} more"] * (rest > 0)), path=faults[0][0])
