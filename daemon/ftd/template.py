"""The commented configuration that `ftd init` writes."""

import errno
import os
import textwrap
from collections.abc import Iterator
from pathlib import Path

from ftd.settings import SETTINGS, SYSTEM_FILE, Setting

WIDTH = 96
HEAD = f"""\
# The configuration of finetuned's daemon.
#
# Read by `ftd serve` from $XDG_CONFIG_HOME/finetuned/ftd.toml (or ~/.config/...), else from
# {SYSTEM_FILE}, or from where --config or FTD_CONFIG points.
# A flag goes before the environment, that before this file, and this before the defaults.
# `ftd check-config` names every fault. What is commented out has its default.
"""


def text() -> str:
    """Return the file: every key commented out, with its meaning and default."""
    return "\n".join([HEAD, *_lines()])


def write(path: Path, *, force: bool) -> None:
    """Write the file, and the folders above it.

    Raises:
        FileExistsError: where something is there and force is not given.
        OSError: where no file can be.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except FileExistsError:  # a file, where a folder must be
        raise NotADirectoryError(errno.ENOTDIR, "") from None
    if not force:
        with path.open("x", encoding="utf-8") as file:
            file.write(text())
        return
    # Aside and renamed: a daemon that starts meanwhile reads the old one or the new one.
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        aside.write_text(text(), encoding="utf-8")
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def _lines() -> Iterator[str]:
    section = ""
    for setting in SETTINGS:
        home, _, name = setting.key.rpartition(".")
        if home != section:
            section = home
            yield f"[{section}]\n"
        yield from _comment(setting)
        yield f"# {name} = {setting.example}\n"


def _comment(setting: Setting) -> Iterator[str]:
    meaning = f"{setting.meaning[0].upper()}{setting.meaning[1:]}."
    for line in (meaning, f"Default: {setting.default.replace('`', '')}."):
        yield from textwrap.wrap(line, WIDTH, initial_indent="# ", subsequent_indent="# ")
