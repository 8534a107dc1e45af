"""Which paths a file of a data set may have."""

import hashlib
import re
import unicodedata

MOST_PART_BYTES = 255
MOST_PATH_BYTES = 1024
MOST_PARTS = 64
"""Folders within folders are walked, and removed, one in the other."""
_SHOWN = 70
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def fault(path: str) -> str | None:
    """Say why no file of a data set can have a path; None: it can."""
    if not path:
        return "it is empty; each file needs a path"
    if path.startswith("/"):
        return f"{shown(path)} is absolute; paths begin within the data set"
    if _CONTROL.search(path):
        return f"{shown(path)} holds a control character; rename the file"
    if "\\" in path:
        return f"{shown(path)} holds a backslash; parts of a path are set apart by `/`"
    return _parts_fault(path)


def folded(path: str) -> bytes:
    """Return what paths have in common that are one where case and composition do not count."""
    text = path.lower()
    if not path.isascii():
        text = unicodedata.normalize("NFD", path).casefold()
        text = unicodedata.normalize("NFD", text)
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


def shown(path: str) -> str:
    """Return a path as messages say it: on one line, and not too long."""
    text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in path)
    return f"`{text}`" if len(text) <= _SHOWN else f"`{text[: _SHOWN - 3]}...`"


def _parts_fault(path: str) -> str | None:
    parts = path.split("/")
    if "" in parts:
        return f"{shown(path)} has an empty part; say it without `//` and without `/` at its end"
    if ".." in parts or "." in parts:
        return f"{shown(path)} holds `.` or `..`; say it from the data set's own folder"
    if any(len(part.encode()) > MOST_PART_BYTES for part in parts):
        return f"{shown(path)} has a part of more than {MOST_PART_BYTES} bytes; rename it"
    if len(path.encode()) > MOST_PATH_BYTES:
        return f"{shown(path)} has more than {MOST_PATH_BYTES} bytes; shorten it"
    if len(parts) > MOST_PARTS:
        return f"{shown(path)} has {len(parts)} parts, more than {MOST_PARTS}; move it up"
    return None
