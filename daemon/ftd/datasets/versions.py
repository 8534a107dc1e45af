"""Data sets that are whole: each a folder of links to contents, named by its digest."""

import os
import shutil
import uuid
from collections.abc import Collection
from pathlib import Path

from ftd.datasets import blobs
from ftd.datasets.blobs import Blobs
from ftd.datasets.pushes import Push

_ASIDE = "."


class Versions:
    """The folder of all data sets. It is read by workers, under the paths that jobs were given."""

    def __init__(self, folder: Path, contents: Blobs) -> None:
        self._folder = folder
        self._contents = contents

    def path(self, digest: str) -> Path:
        """Return where a data set is, or would be."""
        return self._folder / digest

    def make(self, push: Push) -> None:
        """Make the data set of a push of which all has arrived; durable when this returns."""
        place = self.path(push.card.digest)
        if place.exists():
            return
        aside = self._folder / f"{_ASIDE}{uuid.uuid4().hex}"
        aside.mkdir(parents=True)
        os.sync()  # one for all files, before any of them counts as a content
        try:
            self._fill(aside, push)
            os.sync()
            aside.rename(place)
        except OSError:
            if not place.exists():  # else another user's push of the same was quicker
                raise
        finally:
            shutil.rmtree(aside, ignore_errors=True)
        os.sync()

    def sweep(self, kept: Collection[str]) -> int:
        """Remove the data sets that nobody has or uses; return how many."""
        gone = [place for place in self._folder.glob("*") if place.name not in kept]
        for place in gone:
            aside = place.with_name(f"{_ASIDE}{uuid.uuid4().hex}")
            place.rename(aside)  # so that half of one is never taken for one
            shutil.rmtree(aside, ignore_errors=True)
        return len(gone)

    def _fill(self, aside: Path, push: Push) -> None:
        folder = aside
        for entry in push.files.entries():
            place = aside / entry.path
            if place.parent != folder:
                folder = place.parent
                _make_beneath(aside, folder)
            arrived = push.arrived(entry.sha256)
            blobs.link(self._contents.take(arrived, push.card.user, entry.sha256), place)


def _make_beneath(root: Path, folder: Path) -> None:
    """Make a folder and those between; never the root: one that was removed stays away."""
    beneath = folder.relative_to(root)
    for each in (*reversed(beneath.parents), beneath)[1:]:
        (root / each).mkdir(exist_ok=True)
