"""Images that a table lists: CSV, TSV or JSONL."""

import csv
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fttrain.data.decode import Decoding
from fttrain.data.found import Found, check_classes, part
from fttrain.data.samples import Source, printable
from fttrain.data.tree import Classes, Entry, entry
from fttrain.spec.faults import Fault, RecipeFaults
from fttrain.spec.nearest import hint
from fttrain.spec.origins import Manifest, Split

_SPLITS = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val",
    "dev": "val", "test": "test", "testing": "test",
}  # fmt: skip
_FIELD = "data.manifest"
_SHOWN = 5
Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Item:
    line: int
    path: bytes
    label: str
    split: str


def load(spec: Manifest, how: Decoding) -> Source:
    """Return the images of a table.

    Raises:
        RecipeFaults: for columns that it lacks, rows that make no sense, files that are not there.
    """
    root, items, entries = _listed(spec)
    found: dict[str, Classes] = {}
    for item in items:
        found.setdefault(item.split, {}).setdefault(item.label, []).append(entries[item.path])
    if spec.parts is not None:
        found = part(found["train"], spec.parts, field=f"{_FIELD}.parts", title=spec.path)
    _check(spec, found)
    name = f"manifest {spec.path}"
    drawn = spec.parts is not None
    return Found(name=name, root=root, splits=found, is_drawn=drawn).source(how)


def every(path: str) -> tuple[Path, Classes]:
    """Return the images of all rows of a table, whatever it says of splits, and their root.

    Raises:
        RecipeFaults: as `load`.
    """
    root, items, entries = _listed(Manifest(path=path, parts=Split()))
    classes: Classes = {}
    for item in items:
        classes.setdefault(item.label, []).append(entries[item.path])
    return root, classes


def _listed(spec: Manifest) -> tuple[Path, list[_Item], dict[bytes, Entry]]:
    """Return the root, the rows, and the file of each."""
    table = Path(spec.path)
    root = Path(spec.root) if spec.root is not None else table.parent
    items = _items(spec, root, _rows(table))
    return root, items, _entries(root, items)


def _rows(table: Path) -> list[tuple[int, Row]]:
    """Return the rows with their lines."""
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            rows = list(_read(table, file))
    except OSError as error:
        raise _fault("path", f"{table} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise _fault("path", f"{table} is not UTF-8 text") from None
    except csv.Error as error:
        raise _fault("path", f"{table} is no table: {error}") from None
    if not rows:
        raise _fault("path", f"{table} has no rows; a CSV begins with a line that names columns")
    return rows


def _read(table: Path, file: Iterable[str]) -> Iterator[tuple[int, Row]]:
    if table.suffix.lower() in (".jsonl", ".ndjson"):
        for line, text in enumerate(file, start=1):
            if text.strip():
                yield line, _object(table, line, text)
        return
    reader = csv.DictReader(file, delimiter="\t" if table.suffix.lower() == ".tsv" else ",")
    for row in reader:
        yield reader.line_num, row


def _object(table: Path, line: int, text: str) -> Row:
    try:
        row = json.loads(text)
    except ValueError as error:
        raise _fault("path", f"{table}, line {line}: is not JSON: {error}") from None
    if not isinstance(row, dict):
        raise _fault("path", f"{table}, line {line}: is no object such as {{'image': 'a.jpg'}}")
    return row


# --- rows -------------------------------------------------------------------------------------


def _items(spec: Manifest, root: Path, rows: list[tuple[int, Row]]) -> list[_Item]:
    wanted = {"image": spec.image, "label": spec.label}
    if spec.parts is None:
        wanted["split"] = spec.split
    columns = list(dict.fromkeys(key for _, row in rows for key in row if key is not None))
    faults = [
        Fault(field=f"{_FIELD}.{which}", description=_no_column(spec, which, column, columns))
        for which, column in wanted.items()
        if column not in columns
    ]
    if faults:
        raise RecipeFaults(faults)
    items, wrong = [], []
    for line, row in rows:
        try:
            items.append(_item(spec, root, line, row))
        except ValueError as error:
            wrong.append(f"line {line}: {error}")
    if wrong:
        raise _fault("path", f"{spec.path}: {_some(wrong)}")
    return items


def _item(spec: Manifest, root: Path, line: int, row: Row) -> _Item:
    image, label = _text(row, spec.image), _text(row, spec.label)
    split = "train"
    if spec.parts is None:
        said = _text(row, spec.split)
        if said.lower() not in _SPLITS:
            known = hint(said, _SPLITS) or "; known are train, val, test"
            raise ValueError(f"`{said}` is no split{known}")
        split = _SPLITS[said.lower()]
    return _Item(line=line, path=_within(root, image), label=label, split=split)


def _text(row: Row, column: str) -> str:
    value = row.get(column)
    if isinstance(value, bool) or not isinstance(value, str | int) or not str(value).strip():
        raise ValueError(f"`{column}` is {'empty' if value in (None, '') else repr(value)}")
    text = str(value).strip()
    if any("\ud800" <= letter <= "\udfff" for letter in text):  # Halves, which JSON can spell.
        raise ValueError(f"`{column}` is no text: {value!a}")
    return text


def _within(root: Path, image: str) -> bytes:
    """Return a path relative to the root; it may not lead out of it."""
    path = os.path.normpath(root / image)
    relative = os.path.relpath(path, os.path.normpath(root))
    if Path(relative).parts[:1] == ("..",) or "\0" in image:
        raise ValueError(f"`{image}` leads out of {root}")
    return os.fsencode(relative)


def _no_column(spec: Manifest, which: str, column: str, columns: list[str]) -> str:
    known = hint(column, columns) or f"; columns there: {', '.join(columns)}"
    more = "; or say `parts: {val: 0.2}` to part the rows" if which == "split" else ""
    return f"{spec.path} has no column `{column}`{known}{more}"


def _entries(root: Path, items: list[_Item]) -> dict[bytes, Entry]:
    """Return the file of each row."""
    entries: dict[bytes, Entry] = {}
    missing, twice = [], []
    for item in items:
        if item.path in entries:
            twice.append(f"line {item.line}: {printable(item.path)}")
            continue
        try:
            file, why = entry(os.fsencode(root), item.path), ""
        except PermissionError:
            file, why = None, " (permission denied)"
        if file is None:
            missing.append(f"line {item.line}: {printable(item.path)}{why}")
        else:
            entries[item.path] = file
    faults = []
    if missing:
        what = f"{_count(missing)} not there, beginning at {root}: {_some(missing)}"
        faults.append(Fault(field=f"{_FIELD}.root", description=what))
    if twice:
        what = f"{_count(twice)} listed before: {_some(twice)}"
        faults.append(Fault(field=f"{_FIELD}.path", description=what))
    if faults:
        raise RecipeFaults(faults)
    return entries


def _check(spec: Manifest, found: dict[str, Classes]) -> None:
    for which in ("train", "val"):
        if which not in found:
            what = f"{spec.path} has no row that says `{which}`; or say `parts: {{val: 0.2}}`"
            raise _fault("split", what)
    if len(found["train"]) < 2:
        raise _fault("label", f"{spec.path} has one class alone; to tell apart takes two classes")
    fields = dict.fromkeys(found, f"{_FIELD}.label")
    faults = list(check_classes(found, fields=fields, called={which: which for which in found}))
    if faults:
        raise RecipeFaults(faults)


def _count(lines: list[str]) -> str:
    return f"{len(lines)} images are" if len(lines) > 1 else "1 image is"


def _some(lines: list[str]) -> str:
    more = f"; and {len(lines) - _SHOWN} more" if len(lines) > _SHOWN else ""
    return "; ".join(lines[:_SHOWN]) + more


def _fault(which: str, description: str) -> RecipeFaults:
    return RecipeFaults([Fault(field=f"{_FIELD}.{which}", description=description)])
