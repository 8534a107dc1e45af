"""Paths of a configuration that cannot be, looked at before anything is made."""

import stat
from pathlib import Path


def fault(name: str, path: Path) -> str | None:
    """Say why a setting cannot have a path; None: it can.

    What only another user may open is no fault: a configuration is often checked by root.
    """
    return _no_socket(path) if name == "socket" else _no_folder(path)


def _no_folder(path: Path) -> str | None:
    """Say why no folder can be there; None: it is there or can be made."""
    mode = _mode(path)
    if mode is None:
        return _no_folder(path.parent)
    if not stat.S_ISDIR(mode):
        return f"{path} is a file, where a folder must be; remove it or give another path"
    return None


def _no_socket(path: Path) -> str | None:
    mode = _mode(path)
    if mode is None:
        return _no_folder(path.parent)
    if not stat.S_ISSOCK(mode):
        what = "a folder" if stat.S_ISDIR(mode) else "a file"
        return f"{path} is {what}, where a socket must be; remove it or give another path"
    return None


def _mode(path: Path) -> int | None:
    try:
        return path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return None
