"""A job file: read, changed by `--set`, split into the daemon's part and the recipe."""

import json
import os
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from ftctl import request
from ftctl.errors import BadInput, BadJobFile, Fault
from ftctl.nearest import nearest
from ftctl.request import JobRequest
from fttrain import yamltext

# The reader takes 4 ms per kB.
MAX_BYTES = 2**20
STDIN = "-"
STDIN_LABEL = "<stdin>"

_BASE = "recipe"
_PATHS = (
    ("data", "folder", "path"), ("data", "manifest", "path"), ("data", "manifest", "root"),
    ("data", "torchvision", "path"), ("data", "cub200", "path"), ("model", "weights"),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFile:
    """A job as its user wrote it, and where each field of it stands."""

    request: JobRequest
    """What of the job is sound; all of it where there are no faults."""
    faults: tuple[Fault, ...]
    """Those of the daemon's part. Only the daemon can find those of the recipe."""
    unreachable: frozenset[str] = frozenset()
    """Fields whose paths mean nothing to the daemon that is asked."""
    _label: str
    """What messages call the file. Empty: the job came from no file."""
    _document: yamltext.Document | None
    _overrides: tuple[str, ...]
    """Field paths that were set beside the file."""
    _part: str = ""
    """Which of several jobs of its file it is, as messages say it after a place."""
    _relative: tuple[tuple[str, str], ...] = ()
    """Fields whose paths were made absolute, and what they said."""

    @classmethod
    def read(cls, source: str | Path, *, overrides: Mapping[str, Any] | None = None) -> Self:
        """Read a file; `-` is standard input.

        Relative paths in it are relative to its folder, those in `overrides` (and of standard
        input) to the working directory.

        Raises:
            BadJobFile: where it cannot be read. A job with faults can: see `faults`.
        """
        if str(source) == STDIN:
            return cls.parse(read_text(source), label=STDIN_LABEL, overrides=overrides)
        path = Path(source)
        return cls.parse(
            read_text(path), label=str(path), folder=path.absolute().parent, overrides=overrides
        )

    @classmethod
    def parse(
        cls,
        text: str,
        *,
        label: str = "job",
        folder: Path | None = None,
        overrides: Mapping[str, Any] | None = None,
        part: str = "",
    ) -> Self:
        """Read a text, YAML or JSON. Raises as `read` does.

        `part` is said after each place: which of several jobs of its file this is.
        """
        try:
            document = yamltext.load(text, strict=False)
        except yamltext.YamlError as error:
            place = f"{label}:{error.line}:{error.column}{part}"
            raise BadJobFile(f"{place}: {error.message}") from None
        file = cls._from(document.value, document, label, folder, overrides or {})
        if not part:
            return file
        file = replace(file, _part=part)
        return replace(file, faults=file.located(file.faults))

    @classmethod
    def of(cls, job: Mapping[str, Any], *, overrides: Mapping[str, Any] | None = None) -> Self:
        """Take a job that is a mapping already. Raises as `read` does."""
        try:
            value = json.loads(json.dumps(job, allow_nan=False))
        except (TypeError, ValueError) as error:
            raise BadInput(f"the job is not plain data: {error}") from None
        return cls._from(value, None, "", None, overrides or {})

    @classmethod
    def _from(
        cls,
        value: dict[str, Any],
        document: yamltext.Document | None,
        label: str,
        folder: Path | None,
        overrides: Mapping[str, Any],
    ) -> Self:
        for field, new in overrides.items():
            _override(value, field, new)
        relative = [
            (".".join(parts), said)
            for parts in _PATHS
            if (said := _make_absolute(value, parts, _folder_of(parts, folder, overrides)))
        ]
        file = cls(
            request=request.build(value),
            faults=(),
            _label=label,
            _document=document,
            _overrides=tuple(overrides),
            _relative=tuple(relative),
        )
        twice = [] if document is None else _twice(document)
        return replace(file, faults=file.located((*twice, *request.faults_of(value))))

    def for_another_machine(self) -> Self:
        """Return it for a daemon elsewhere, to which our folders mean nothing."""
        faults = [
            Fault(
                field=field,
                description=f"`{said}` is relative, and the daemon is on another machine; say the "
                "absolute path there, or push the data with `ftctl dataset push`",
            )
            for field, said in self._relative
        ]
        told = self.located((*self.faults, *faults))
        return replace(self, faults=told, unreachable=frozenset(fault.field for fault in faults))

    def located(self, faults: Iterable[Fault]) -> tuple[Fault, ...]:
        """Return the faults with their places in the file, in the file's order."""
        placed = [
            Fault(field=fault.field, description=fault.description, place=self.place(fault.field))
            for fault in faults
        ]
        # What concerns the file as a whole, such as how many faults more there are, comes last.
        return tuple(sorted(placed, key=lambda at: (not at.field, self._position(at.field))))

    def place(self, field: str = "") -> str:
        """Return where a field stands, as messages say it; without a field, which job this is."""
        for path in self._overrides:
            if _is_within(field, path) or (_is_within(path, field) and not self._holds(field)):
                return f"--set {path}"
        if self._document is None or not field:
            return self._label + self._part
        line, column = self._position(field)
        return f"{self._label}:{line}:{column}{self._part}"

    def _position(self, field: str) -> tuple[int, int]:
        if self._document is None:
            return (1, 1)
        if self._holds(_BASE) and not self._holds(re.split(r"[.[]", field)[0]):
            field = _BASE  # what the file does not say comes from there
        try:
            return self._document.line_of(field)
        except ValueError:
            return (1, 1)

    def _holds(self, field: str) -> bool:
        return self._document is not None and self._document.holds(field)


def parse_override(text: str) -> tuple[str, Any]:
    """Read `PATH=VALUE`; the value is YAML.

    Raises:
        BadInput: where it is not of that form.
    """
    path, separator, value = text.partition("=")
    if not separator:
        raise BadInput(f"--set {text}: write PATH=VALUE, such as train.epochs=3")
    try:
        return path.strip(), yamltext.load_value(value)
    except yamltext.YamlError as error:
        raise BadInput(f"--set {path}: the value is not YAML: {error.message}") from None


def _twice(document: yamltext.Document) -> list[Fault]:
    return [
        Fault(
            field=yamltext.join_path(key.path),
            description=f"is given twice; first in line {key.first_line}",
        )
        for key in document.doubled()
    ]


# --- reading --------------------------------------------------------------------------------


def read_text(source: str | Path) -> str:
    """Return what a file says; `-` is standard input. Raises BadJobFile."""
    return _stdin() if str(source) == STDIN else _text(Path(source))


def _text(path: Path) -> str:
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise BadJobFile(_too_large(str(path), f"{size:,} bytes"))
        with path.open("rb") as file:
            return _decoded(file.read(MAX_BYTES + 1), str(path))
    except IsADirectoryError:
        raise BadJobFile(f"{path} is a folder; name the job file in it") from None
    except FileNotFoundError:
        raise BadJobFile(f"there is no file {path}{_like(path)}") from None
    except OSError as error:
        raise BadJobFile(f"{path} cannot be read: {error.strerror}") from None


def _like(path: Path) -> str:
    """Return a hint at the file beside it that was probably meant."""
    try:
        near = nearest(path.name, [file.name for file in path.parent.iterdir() if file.is_file()])
    except OSError:
        return ""
    return f"; did you mean {path.with_name(near)}?" if near else ""


def _stdin() -> str:
    return _decoded(sys.stdin.buffer.read(MAX_BYTES + 1), STDIN_LABEL)


def _decoded(data: bytes, label: str) -> str:
    if len(data) > MAX_BYTES:
        raise BadJobFile(_too_large(label, "more than 1 MiB"))
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BadJobFile(f"{label}:{line}: is not UTF-8 text; is it a job file?") from None


def _too_large(label: str, size: str) -> str:
    return f"{label} has {size}; a job file has at most 1 MiB. Data belongs in files that it names"


# --- changing -------------------------------------------------------------------------------


def _override(value: dict[str, Any], field: str, new: Any) -> None:
    try:
        parts = yamltext.split_path(field)
    except ValueError as error:
        raise BadInput(f"--set {field}: {error}") from None
    if not parts:
        raise BadInput(f"--set ={new}: name a field before the `=`")
    holder: Any = value
    for depth in range(len(parts)):
        if isinstance(part := parts[depth], int) and _is_of_base(holder, value):
            part = f"[{part}]"  # of a list that only the recipe has which this is based on
        else:
            _check_step(holder, parts, depth, field)
        if depth == len(parts) - 1:
            holder[part] = new
        elif isinstance(holder, dict) and holder.get(part) is None:
            holder[part] = {}
        holder = holder[part]


def _is_of_base(holder: Any, job: Mapping[str, Any]) -> bool:
    return _BASE in job and isinstance(holder, dict) and all(key[0] == "[" for key in holder)


def _check_step(holder: Any, parts: yamltext.FieldPath, depth: int, field: str) -> None:
    """Make sure that one part of a path leads somewhere."""
    part, above = parts[depth], yamltext.join_path(parts[:depth]) or "the job"
    match holder, part:
        case dict(), str():
            return
        case list(), int() if part < len(holder):
            return
        case list(), int():
            fault = f"`{above}` has {len(holder)} entries, counted from 0"
        case list(), _:
            fault = f"`{above}` is a list; name an entry, such as {above}[0]"
        case dict(), _:
            fault = f"`{above}` is not a list"
        case _:
            fault = f"`{above}` is {json.dumps(holder)} and has no fields; set it as a whole"
    raise BadInput(f"--set {field}: {fault}")


def _is_within(field: str, path: str) -> bool:
    return field == path or field.startswith((f"{path}.", f"{path}["))


# --- paths ----------------------------------------------------------------------------------


def _folder_of(parts: tuple[str, ...], folder: Path | None, overrides: Mapping[str, Any]) -> Path:
    """Return what a relative path is relative to: what is typed is meant from where one stands."""
    field = ".".join(parts)
    if folder is None or any(_is_within(field, path) for path in overrides):
        return Path.cwd()
    return folder


def _make_absolute(value: dict[str, Any], parts: tuple[str, ...], folder: Path) -> str:
    """Make a path of the recipe absolute: the daemon runs in a folder of its own.

    Links stay as they are: the daemon may see other ones. Returns the path where it was relative.
    """
    holder: Any = value
    for part in parts[:-1]:
        holder = holder.get(part) if isinstance(holder, dict) else None
    if not isinstance(holder, dict) or not isinstance(text := holder.get(parts[-1]), str):
        return ""
    scheme, path = ("file:", text[5:]) if text.startswith("file:") else ("", text)
    if not path or (parts[-1] == "weights" and not scheme):
        return ""
    holder[parts[-1]] = f"{scheme}{os.path.normpath(folder / _expanded(Path(path)))}"
    return "" if Path(path).is_absolute() else path


def _expanded(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError:
        # There is no such user; the daemon will say that there is no such path.
        return path
