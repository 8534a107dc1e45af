"""Exported files: runs of other daemons, and the file that `ftctl compare -o json` writes.

Three kinds are read: what `compare -o json` wrote (all runs in it, with their verdicts), what
`get -o json` wrote (a job, without verdicts), and what `metrics -o json` wrote (epochs alone).
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ftctl.comparison import run, verdicts
from ftctl.comparison.comparison import Comparison
from ftctl.comparison.run import Run
from ftctl.errors import BadInput

FORMAT = "finetuned-comparison/1"
MOST_BYTES = 256 * 2**20
WITHOUT_VERDICTS = "has no verdicts in its file; `ftctl compare {} -o json` exports them"
_KNOWN = "`ftctl compare JOB -o json`, `ftctl get JOB -o json` or `ftctl metrics JOB -o json`"


def is_file(given: str | Path) -> bool:
    """Return whether a file is meant: no name or id of a job has a dot or a slash."""
    return isinstance(given, Path) or "." in given or "/" in given


def read(path: str | Path) -> list[Run]:
    """Return the runs of an exported file, at least one.

    Raises:
        BadInput: where it is no such file, saying why.
    """
    path = Path(path)
    told = _parsed(path)
    try:
        return list(_runs(told, path))
    except BadInput as error:
        raise BadInput(f"{path} {error}") from None


def text(compared: Comparison) -> str:
    """Return the file of a comparison: all that was compared, and what came of it."""
    return _written(compared.runs, {
        "baseline": compared.baseline.label,
        "settings": [asdict(each) for each in compared.settings],
        "settings_alike": compared.alike,
        "results": [
            {"name": each.name, "title": each.title, "better": each.better,
             "values": each.values, "best": each.best}
            for each in compared.results
        ],
        "pairs": [
            {**asdict(each), "is_confounded": each.is_confounded, "is_repeat": each.is_repeat}
            for each in compared.pairs
        ],
        "machine": compared.machine,
        "notes": compared.notes(),
    })  # fmt: skip


def export(runs: Sequence[Run]) -> str:
    """Return a file of runs without a comparison, as one alone is kept for another machine."""
    return _written(runs, {})


def _written(runs: Sequence[Run], found: Mapping[str, Any]) -> str:
    told = {"format": FORMAT, **found, "runs": [_plain(each) for each in runs]}
    return json.dumps(told, indent=1, ensure_ascii=False) + "\n"


def _plain(each: Run) -> dict[str, Any]:
    rows = each.verdicts.rows() if each.verdicts is not None else None
    return {
        "label": each.label, "job": each.told, "verdicts": rows, "without_verdicts": each.silence
    }  # fmt: skip


def _parsed(path: Path) -> Any:
    if path.suffix.lower() == ".csv":
        raise BadInput(f"{path} is a table; what is compared is JSON: {_KNOWN}")
    try:
        if path.stat().st_size > MOST_BYTES:
            raise BadInput(f"{path} is larger than {MOST_BYTES // 2**20} MiB: no exported run")
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise BadInput(f"{path} is not JSON; what is compared is of {_KNOWN}") from None


def _runs(told: Any, path: Path) -> Iterator[Run]:
    if isinstance(told, list):
        yield _of_epochs(told, path)
    elif not isinstance(told, Mapping):
        raise BadInput(f"is no exported run; those are of {_KNOWN}")
    elif "format" in told:
        yield from _of_comparison(told, path)
    else:
        yield _of_job(told, path)


def _of_epochs(told: Sequence[Any], path: Path) -> Run:
    if not told:
        raise BadInput("has no epochs")
    silence = "is a list of epochs without verdicts"
    return run.read({"name": path.stem, "epochs": told}, origin=str(path), silence=silence)


def _of_job(told: Mapping[str, Any], path: Path) -> Run:
    if "name" not in told or "epochs" not in told:
        raise BadInput(f"is no exported run; those are of {_KNOWN}")
    silence = WITHOUT_VERDICTS.format(told["name"])
    return run.read(told, origin=str(path), silence=silence)


def _of_comparison(told: Mapping[str, Any], path: Path) -> Iterator[Run]:
    if told["format"] != FORMAT:
        raise BadInput(f"is of format {told['format']}, and this ftctl reads {FORMAT}")
    runs = told.get("runs")
    if not isinstance(runs, list) or not runs:
        raise BadInput("has no runs in it")
    for each in runs:
        if not isinstance(each, Mapping) or not isinstance(each.get("job"), Mapping):
            raise BadInput("has a run without a job")
        rows = each.get("verdicts")
        yield run.read(
            each["job"], origin=str(path),
            verdicts=verdicts.of_rows(rows) if rows is not None else None,
            silence=str(each.get("without_verdicts") or ""),
        )  # fmt: skip
