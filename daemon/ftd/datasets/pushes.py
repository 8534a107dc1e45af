"""Pushes under way: what was announced, and what of it has arrived.

pushes/ID/list.sqlite     the files that were announced
          push.json       whose it is and what it will be called
          content/HEX     a content that is whole and has its digest; HEX.part: one that is not yet
          done.json       the data set, once it is made; the rest is gone then
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ftd.datasets.filelist import FileList, Summary
from ftd.errors import PushNotFound

STALE_S = 24 * 3600.0
"""A push of which nothing was heard for so long is given up."""
_LIST, _CARD, _DONE, _CONTENT = "list.sqlite", "push.json", "done.json", "content"
_INCOMING = ".incoming-"
_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """Whose push it is, and what comes of it."""

    user: str
    name: str
    digest: str
    files: int
    size_bytes: int
    boot_id: str
    """Of the machine's run in which it began: what a power cut may have left is not trusted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """A push whose list is open."""

    id: str
    folder: Path
    card: Card
    files: FileList

    def arrived(self, sha256: bytes) -> Path:
        """Return where a content is when it is whole."""
        return self.folder / _CONTENT / sha256.hex()

    def part(self, sha256: bytes) -> Path:
        """Return where a content is while it arrives."""
        return self.folder / _CONTENT / f"{sha256.hex()}.part"


class Pushes:
    """The folder of all pushes."""

    def __init__(self, folder: Path, boot_id: str) -> None:
        self._folder = folder
        self._boot_id = boot_id
        # By it the leftovers of a daemon that was killed are told from lists that arrive now.
        self._life = uuid.uuid4().hex[:8]

    @contextlib.contextmanager
    def incoming(self) -> Iterator[tuple[Path, FileList]]:
        """Take up a list inside the block; nothing is left of it unless it is adopted."""
        folder = self._folder / f"{_INCOMING}{self._life}-{uuid.uuid4().hex}"
        (folder / _CONTENT).mkdir(parents=True)
        files = FileList.make(folder / _LIST)
        try:
            yield folder, files
        finally:
            files.close()
            shutil.rmtree(folder, ignore_errors=True)

    def id_of(self, user: str, name: str, summary: Summary) -> str:
        """Return the id of a push: the same for the same list of the same user and name."""
        text = json.dumps([user, name, summary.order])
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def adopt(self, incoming: Path, user: str, name: str, summary: Summary) -> str:
        """Make a push of a list, or return to the one that began with the same; return its id."""
        push_id = self.id_of(user, name, summary)
        place = self._folder / push_id
        if place.exists() and not self._goes_on(place):
            shutil.rmtree(place)
        if place.exists():
            os.utime(place)
            return push_id
        card = Card(
            user=user, name=name, digest=summary.digest, files=summary.files,
            size_bytes=summary.size_bytes, boot_id=self._boot_id,
        )  # fmt: skip
        (incoming / _CARD).write_text(json.dumps(asdict(card)))
        incoming.rename(place)
        return push_id

    @contextlib.contextmanager
    def opened(self, push_id: str, user: str) -> Iterator[Push]:
        """Have a push open inside the block.

        Raises:
            PushNotFound: where there is none, or it is another user's.
        """
        folder = self._folder / push_id
        card = self._card(push_id)
        if card is None or card.user != user:
            raise _not_found(push_id)
        self.refuse_gone(push_id)
        files = FileList(folder / _LIST)
        try:
            yield Push(id=push_id, folder=folder, card=card, files=files)
        finally:
            files.close()

    def refuse_gone(self, push_id: str) -> None:
        """Let only a push go on that is under way.

        Raises:
            PushNotFound
        """
        if self._card(push_id) is None or (self._folder / push_id / _DONE).exists():
            raise _not_found(push_id)

    def done(self, push_id: str, user: str) -> dict[str, Any] | None:
        """Return what was told of a push that is done; None: it is not."""
        card = self._card(push_id)
        if card is None or card.user != user:
            return None
        with contextlib.suppress(FileNotFoundError):
            return dict(json.loads((self._folder / push_id / _DONE).read_text()))
        return None

    def conclude(self, push: Push, told: dict[str, Any]) -> None:
        """Keep of a push what is told of it, and no more."""
        aside = push.folder / f"{_DONE}.new"
        aside.write_text(json.dumps(told))
        aside.rename(push.folder / _DONE)
        shutil.rmtree(push.folder / _CONTENT, ignore_errors=True)
        (push.folder / _LIST).unlink(missing_ok=True)

    def live(self) -> Iterator[AbstractContextManager[Push]]:
        """Yield the pushes that are not done, each to be opened."""
        for place in self._folder.glob("*"):
            card = self._card(place.name)
            if card is not None and not (place / _DONE).exists():
                yield self.opened(place.name, card.user)

    def arrived_bytes(self, push_id: str, sha256: bytes) -> int:
        """Return how much of a content has arrived in a push that is perhaps not there."""
        content = self._folder / push_id / _CONTENT
        for name in (sha256.hex(), f"{sha256.hex()}.part"):
            with contextlib.suppress(FileNotFoundError):
                return (content / name).stat().st_size
        return 0

    def sweep(self) -> None:
        """Remove pushes of which nothing was heard for long, and what killed daemons left."""
        for place in self._folder.glob("*"):
            try:
                is_old = place.stat().st_mtime < time.time() - STALE_S
            except FileNotFoundError:  # a list that is given up right now
                continue
            is_left = place.name.startswith(_INCOMING) and self._life not in place.name
            if is_left or (is_old and _ID.fullmatch(place.name)):
                shutil.rmtree(place, ignore_errors=True)

    def _goes_on(self, place: Path) -> bool:
        card = self._card(place.name)
        is_of_now = card is not None and card.boot_id == self._boot_id
        return is_of_now and not (place / _DONE).exists()

    def _card(self, push_id: str) -> Card | None:
        if not _ID.fullmatch(push_id):
            return None
        with contextlib.suppress(FileNotFoundError):
            return Card(**json.loads((self._folder / push_id / _CARD).read_text()))
        return None


def _not_found(push_id: str) -> PushNotFound:
    return PushNotFound(
        f"no push `{push_id[:32]}` is known; it is done, or too old: begin it again"
    )
