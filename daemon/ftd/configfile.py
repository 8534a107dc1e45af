"""The configuration as a TOML file: what it says, and all its faults, each with its line."""

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ftd import values
from ftd.config import ConfigFile, Told
from ftd.errors import BadConfig
from ftd.settings import SETTINGS, Setting, found_file
from fttrain.spec.nearest import nearest

# Faults of syntax that are told one by one: beyond them it is no TOML at all.
MOST_SYNTAX_FAULTS = 20
_PLACE = re.compile(r" \(at line (\d+), column (\d+)\)$")
_QUOTED = re.compile(r"'([^']*)'")
_HEADER = re.compile(r"\s*\[\s*([\w-]+)\s*\]")
_ASSIGNMENT = re.compile(r"\s*([\w.\s\"'-]+?)\s*=")
_BY_KEY = {setting.key: setting for setting in SETTINGS}
_SECTIONS = list(dict.fromkeys(key.partition(".")[0] for key in _BY_KEY if "." in key))
_NUMBERS = {"count": (int,), "seconds": (int, float), "size": (int, str)}
_WANTED = {"count": "a whole number", "seconds": "a number", "size": "text or a whole number"}

_Fault = tuple[int, str]
"""A line from 1, and a sentence."""


def find(flag: str | None, environment: Mapping[str, str]) -> ConfigFile | None:
    """Read the file that a flag or FTD_CONFIG names, else the user's, else the system's.

    Raises:
        BadConfig: where the file cannot be read.
    """
    named = flag or environment.get("FTD_CONFIG")
    path = Path(named).expanduser().absolute() if named else found_file(environment)
    return read(path) if path else None


def read(path: Path) -> ConfigFile:
    """Read a file; its faults come with it.

    Raises:
        BadConfig: where there is no such file, or it is no text.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise BadConfig(
            f"there is no configuration at {path}; `ftd init --path {path}` writes one"
        ) from None
    except OSError as error:
        raise BadConfig(
            f"the configuration {path} cannot be read: {os.strerror(error.errno or 0)}"
        ) from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise BadConfig(
            f"{path}:{line}: is not UTF-8 text; save it as UTF-8, or write a new one by `ftd init`"
        ) from None
    return parse(text, path)


def parse(text: str, path: Path) -> ConfigFile:
    """Return what a text says; the path is for its faults."""
    tree, syntax, broken = _loads(text)
    lines = _lines_of_keys(text)
    told, faults = {}, []
    for key, value in _flat(tree):
        line = lines.get(key) or lines.get(key.partition(".")[0], 1)
        fault = _fault(key, value)
        if fault is None:
            where = f"{path}:{line}: {key}"
            told[_BY_KEY[key].name] = Told(text=str(value), where=where)
        elif broken is None or line < broken:
            faults.append((line, fault))
    ordered = sorted([*syntax, *faults])
    return ConfigFile(
        path=path, told=told, faults=tuple(f"{path}:{line}: {fault}" for line, fault in ordered)
    )


def _loads(text: str) -> tuple[dict[str, Any], list[_Fault], int | None]:
    """Return the tree, faults of syntax, and the line from which keys have lost their section.

    A line with a fault is left out and the rest read again, so that all are told at once.
    """
    lines, faults = text.splitlines(), list[_Fault]()
    for _ in range(MOST_SYNTAX_FAULTS):
        try:
            return tomllib.loads("\n".join(lines)), faults, None
        except tomllib.TOMLDecodeError as error:
            match = _PLACE.search(str(error))
            what = _PLACE.sub("", str(error)).removesuffix(" (at end of document)")
            number = int(match[1]) if match else len(lines)
            faults.append((number, _syntax(what, int(match[2]) if match else None)))
            if match is None or lines[number - 1].lstrip().startswith("["):
                tree = _tree_before(lines, number)
                return tree, faults, number
            lines[number - 1] = ""
    return {}, faults, 1


def _syntax(what: str, column: int | None) -> str:
    if what == "Cannot overwrite a value":
        return "this key is given twice"
    if twice := re.fullmatch(r"Cannot declare \((.*?),?\) twice", what):
        return f"[{'.'.join(re.findall(_QUOTED, twice[1]))}] is declared twice"
    place = f"column {column}: " if column else ""
    return f"{place}is not TOML: {what[0].lower()}{what[1:]}"


def _tree_before(lines: list[str], number: int) -> dict[str, Any]:
    try:
        return tomllib.loads("\n".join(lines[: number - 1]))
    except tomllib.TOMLDecodeError:
        return {}


def _flat(tree: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield keys and values; those of the known sections by their full names."""
    for name, value in tree.items():
        if name in _SECTIONS and isinstance(value, dict):
            yield from ((f"{name}.{inner}", innermost) for inner, innermost in value.items())
        else:
            yield name, value


def _fault(key: str, value: Any) -> str | None:
    setting = _BY_KEY.get(key)
    if key in _SECTIONS:
        return f"`{key}` is a section; write [{key}] and its keys beneath"
    if setting is None:
        return _unknown(key, is_section=isinstance(value, dict))
    return _misfit(setting, value)


def _unknown(key: str, *, is_section: bool) -> str:
    section, _, name = key.rpartition(".")
    known = _keys_of(section)
    elsewhere = [other for other in _BY_KEY if other.rpartition(".")[2] == name]
    if is_section:
        near = nearest(key, _SECTIONS)
        hint = f"did you mean [{near}]?" if near else f"known: {_listed(_SECTIONS, '[{}]')}"
        return f"unknown section [{key}]; {hint}"
    if near := nearest(name, known):
        return f"unknown key `{name}`; did you mean `{near}`?"
    if elsewhere:
        home = elsewhere[0].rpartition(".")[0]
        place = f"beneath [{home}]" if home else f"above [{section}]"
        return f"`{name}` is misplaced; it belongs {place}"
    return f"unknown key `{name}`; known here: {', '.join(known)}"


def _keys_of(section: str) -> list[str]:
    keys = (key.rpartition(".") for key in _BY_KEY)
    return [name for home, _, name in keys if home == section]


def _listed(names: list[str], form: str) -> str:
    return ", ".join(form.format(name) for name in names)


def _misfit(setting: Setting, value: Any) -> str | None:
    """Say what is wrong with a value; None: nothing."""
    types = _NUMBERS.get(setting.kind, (str,))
    if not isinstance(value, types) or isinstance(value, bool):
        wanted = _WANTED.get(setting.kind, "text")
        return f"{setting.key}: must be {wanted}, like {setting.example}, not {_kind_of(value)}"
    text = str(value)
    if text == "":
        return f"{setting.key}: is empty; leave it out to have the default"
    if setting.kind in ("path", "file") and not text.startswith(("/", "~/")):
        return f"{setting.key}: `{text}` is relative; begin it with / or ~/"
    try:
        values.read(setting, text)
    except ValueError as error:
        return f"{setting.key}: {error}"
    return None


def _kind_of(value: Any) -> str:
    match value:
        case bool():
            return f"`{str(value).lower()}`"
        case str():
            return "text"
        case int() | float():
            return f"`{value}`"
        case list():
            return "a list"
        case dict():
            return "a section"
        case _:
            return "a date or a time"


def _lines_of_keys(text: str) -> dict[str, int]:
    """Return on which line each key or section begins, the first of each."""
    section, places = "", dict[str, int]()
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.match(line):
            section = header[1]
            places.setdefault(section, number)
        elif assignment := _ASSIGNMENT.match(line):
            name = re.sub(r"[\s\"']", "", assignment[1])
            places.setdefault(f"{section}.{name}" if section else name, number)
    return places
