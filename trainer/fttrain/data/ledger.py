"""What is known of image files: kept by path, size and time of change, so that it is asked once."""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from fttrain.data import decode
from fttrain.data.decode import BadImage, Decoding
from fttrain.spec import rundir

_TAIL = 4096


@dataclass(slots=True, kw_only=True)
class Ledger:
    """A table of files, in a file of its own where there is a folder for it."""

    how: Decoding
    place: Path | None = None
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    is_changed: bool = False

    @classmethod
    def read(cls, cache: Path | None, name: str, how: Decoding) -> Self:
        """Read what is known of one source of images, if anything is."""
        if cache is None:
            return cls(how=how)
        key = hashlib.sha256(f"{name}\0{how.max_pixels}".encode()).hexdigest()
        place = cache / "images" / f"{key}.json"
        try:
            facts = json.loads(place.read_bytes())
        except (FileNotFoundError, ValueError):
            facts = {}
        return cls(how=how, place=place, facts=facts)

    def write(self) -> None:
        """Keep what was learned."""
        if self.place is not None and self.is_changed:
            self.place.parent.mkdir(parents=True, exist_ok=True)
            rundir.write_aside(self.place, json.dumps(self.facts).encode())
            self.is_changed = False

    def damage(self, path: Path, *, is_whole: bool) -> str:
        """Return what is wrong with an image, as its first and last bytes show it, or decoding it
        whole; empty where nothing is."""
        known = self._of(path)
        if not self.knows(path, is_whole=is_whole):
            why = self._look(path, is_whole)
            if why.startswith(decode.DENIED):
                return why  # Of the moment: neither size nor time of change tells when it ends.
            known["bad"] = why
            known["whole"] = is_whole
            self.is_changed = True
        return str(known["bad"])

    def knows(self, path: Path, *, is_whole: bool) -> bool:
        """Return whether `damage` need not look at an image."""
        known = self._of(path)
        return "bad" in known and (not is_whole or bool(known["bad"]) or bool(known.get("whole")))

    def tail(self, path: Path) -> str:
        """Return a digest of a file's size and last bytes: equal files have equal ones."""
        return self._digest(path, "tail", _TAIL)

    def digest(self, path: Path) -> str:
        """Return the digest of a whole file."""
        return self._digest(path, "digest", None)

    def _look(self, path: Path, is_whole: bool) -> str:
        try:
            if is_whole:
                decode.picture(path, self.how)
            else:
                decode.check(path, self.how)
        except BadImage as bad:
            return bad.why
        return ""

    def _digest(self, path: Path, name: str, most: int | None) -> str:
        known = self._of(path)
        if name not in known:
            known[name] = _digest(path, most)
            self.is_changed = True
        return str(known[name])

    def _of(self, path: Path) -> dict[str, Any]:
        try:
            status = path.stat()
            stamp = [status.st_size, status.st_mtime_ns]
        except OSError:
            stamp = []
        key = str(path).encode(errors="surrogateescape").decode(errors="backslashreplace")
        known = self.facts.get(key)
        if known is None or known["stamp"] != stamp:
            known = self.facts[key] = {"stamp": stamp}
        return known


def _digest(path: Path, most: int | None) -> str:
    digest = hashlib.blake2b(digest_size=16)
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(size - most, 0) if most is not None else 0)
            digest.update(b"%d\0" % size)
            while part := file.read(2**20):
                digest.update(part)
    except OSError:
        digest.update(str(path).encode(errors="surrogateescape"))  # Like no other.
    return digest.hexdigest()
