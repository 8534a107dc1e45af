"""Takes in the images of a call: writes them into batches, and holds them to the limits."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from ftd.errors import DiskFull, InvalidRequest, PredictorUnavailable
from ftd.jobs import disk

MOST_IMAGES = 10_000
MOST_IMAGE_BYTES = 64 * 2**20
MOST_BYTES = 2 * 2**30
QUIET_S = 60.0
"""A caller that says nothing for so long has gone, or has nothing more to say."""

# The first batch is small, so that answers come soon; the largest loads the model seldom. All
# are multiples of the 32 images that the engine takes at a time.
FIRST_BATCH = 32
LARGEST_BATCH = 128
MOST_BATCH_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A piece of an image file."""

    data: bytes
    is_last: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Images that are asked together, as files of a folder."""

    folder: Path
    first: int
    """The place of its first image in the call, from 1."""
    images: list[str] = field(default_factory=list)
    """The names of the files, in order."""


class Intake:
    """The images of one call, as they come."""

    def __init__(self, parts: AsyncIterator[Part], *, folder: Path) -> None:
        self._parts = parts
        self._folder = folder
        self._images = 0
        self._bytes = 0
        self._size = FIRST_BATCH

    async def batch(self) -> Batch | None:
        """Return the next batch once it is whole; None where there is none.

        Raises:
            InvalidRequest: at the first image that is beyond a limit or without an end.
            DiskFull, PredictorUnavailable: where the images cannot be kept.
        """
        batch = Batch(folder=self._folder / f"from-{self._images + 1}", first=self._images + 1)
        size, self._size = self._size, min(2 * self._size, LARGEST_BATCH)
        full = self._bytes + MOST_BATCH_BYTES
        try:
            await asyncio.to_thread(_make, batch.folder)
            while len(batch.images) < size and self._bytes < full:
                name = f"image-{self._images + 1}"
                if not await self._image(batch.folder / name):
                    break
                batch.images.append(name)
        except OSError as error:
            raise PredictorUnavailable(
                f"the daemon cannot keep the images: {error.strerror}; "
                "its disk or folder needs a look"
            ) from None
        return batch if batch.images else None

    async def _image(self, path: Path) -> bool:
        """Write the next image; return whether there was one."""
        size, is_begun = 0, False
        while (part := await self._part()) is not None:
            is_begun = True
            size += len(part.data)
            self._bytes += len(part.data)
            self._hold_to_limits(size)
            await asyncio.to_thread(_append, path, part.data)
            if part.is_last:
                self._images += 1
                return True
        if is_begun:
            raise InvalidRequest(
                f"image {self._images + 1}: the call ended before it was whole; "
                "say `is_last` with its last part"
            )
        return False

    async def _part(self) -> Part | None:
        try:
            async with asyncio.timeout(QUIET_S):
                return await anext(self._parts, None)
        except TimeoutError:
            raise InvalidRequest(
                f"image {self._images + 1}: nothing came for {QUIET_S:.0f} s; send it all again, "
                "and end the call after the last image"
            ) from None

    def _hold_to_limits(self, image_bytes: int) -> None:
        place = self._images + 1
        if place > MOST_IMAGES:
            raise InvalidRequest(
                f"image {place}: a call takes at most {MOST_IMAGES:,} images; make several"
            )
        if image_bytes > MOST_IMAGE_BYTES:
            raise InvalidRequest(
                f"image {place}: is larger than {MOST_IMAGE_BYTES // 2**20} MiB; scale it down"
            )
        if self._bytes > MOST_BYTES:
            raise InvalidRequest(
                f"image {place}: a call takes at most {MOST_BYTES // 2**30} GiB; make several"
            )


def _make(folder: Path) -> None:
    # At each batch: many calls at a time have many.
    if disk.free_bytes(folder.parent) < disk.RESERVE_BYTES:
        raise DiskFull("the daemon's disk has no room for images; make room there, and ask again")
    folder.mkdir()


def _append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)
