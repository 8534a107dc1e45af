"""A recipe in a file: read, with faults that know their line."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fttrain import yamltext
from fttrain.spec import basing
from fttrain.spec.faults import Fault, RecipeFaults
from fttrain.spec.recipe import Recipe

MAX_BYTES = 2**20
# What a job file may say beyond the recipe: it concerns the daemon alone.
_DAEMONS = ("name", "resources", "priority", "after", "labels")
_PATHS = (
    ("data", "folder", "path"), ("data", "manifest", "path"), ("data", "manifest", "root"),
    ("data", "torchvision", "path"), ("data", "cub200", "path"), ("model", "weights"),
)  # fmt: skip


class BadRecipeFile(Exception):
    """A file that holds no recipe; one line per fault, with its place."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.lines = tuple(lines)
        super().__init__("\n".join(self.lines))


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeFile:
    """A recipe and where each field of it stands."""

    path: Path
    name: str
    """The job's; where it has none, that of the file."""
    recipe: Recipe
    base: str
    """The named recipe that it was based on. Empty: none."""
    ignored: tuple[str, ...]
    """Keys that concern the daemon alone."""
    document: yamltext.Document

    def located(self, found: RecipeFaults) -> BadRecipeFile:
        """Give faults their places."""
        told = basing.attributed(found.faults, self.base, self.recipe)
        return _located(self.path, self.document, told)


def read(path: Path) -> RecipeFile:
    """Read a recipe, or a job file; relative paths in it are relative to its folder.

    Raises:
        BadRecipeFile: with all faults.
    """
    document = _load(path)
    value: dict[str, Any] = document.value
    ignored = tuple(key for key in _DAEMONS if key in value)
    name = str(value.get("name") or path.stem)
    body = {key: part for key, part in value.items() if key not in ignored}
    for parts in _PATHS:
        _make_absolute(body, parts, path.absolute().parent)
    try:
        resolved = basing.resolve(json.dumps(body))
    except RecipeFaults as found:
        raise _located(path, document, found.faults) from None
    return RecipeFile(
        path=path, name=name, recipe=resolved.recipe, base=resolved.base, ignored=ignored,
        document=document,
    )  # fmt: skip


def _load(path: Path) -> yamltext.Document:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise BadRecipeFile([f"{path}: is over 1 MiB; data belongs in files that it names"])
        return yamltext.load(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise BadRecipeFile([f"{path}: cannot be read: {error.strerror}"]) from None
    except UnicodeDecodeError:
        raise BadRecipeFile([f"{path}: is not UTF-8 text"]) from None
    except yamltext.YamlError as error:
        line = f"{path}:{error.line}:{error.column}: {error.message}"
        raise BadRecipeFile([line]) from None


def _located(path: Path, document: yamltext.Document, found: Iterable[Fault]) -> BadRecipeFile:
    placed = sorted((_place(document, fault.field), fault) for fault in found)
    return BadRecipeFile(
        f"{path}:{line}:{column}: {fault.field}: {fault.description}"
        for (line, column), fault in placed
    )


def _place(document: yamltext.Document, field: str) -> yamltext.Place:
    if document.holds(basing.KEY) and not document.holds(re.split(r"[.[]", field)[0]):
        field = basing.KEY  # what the file does not say comes from there
    try:
        return document.line_of(field)
    except ValueError:
        return (1, 1)


def _make_absolute(body: dict[str, Any], parts: tuple[str, ...], folder: Path) -> None:
    holder: Any = body
    for part in parts[:-1]:
        holder = holder.get(part) if isinstance(holder, dict) else None
    text = holder.get(parts[-1]) if isinstance(holder, dict) else None
    scheme = "file:" if parts[-1] == "weights" else ""
    if isinstance(text, str) and text.startswith(scheme) and text != scheme:
        place = folder / Path(text.removeprefix(scheme)).expanduser()
        holder[parts[-1]] = f"{scheme}{place}"
