"""Evaluations of a run by the evaluator's main, and what they leave."""

import json
from pathlib import Path
from typing import Any

from fttrain import evaluator
from fttrain.spec import rundir


def evaluated(run_dir: Path, folder: Path, **changes: Any) -> Path:
    """Have a run evaluated; return the folder with what that left."""
    folder.mkdir(exist_ok=True)
    request = {
        "run_dir": str(run_dir), "model": str(run_dir / rundir.MODEL), "images": "val",
        "threads": 1, "confusion": False, **changes,
    }  # fmt: skip
    (folder / evaluator.REQUEST).write_text(json.dumps(request))
    assert evaluator.main(folder) == 0
    return folder


def on(path: Path, *, title: str = "mine", allow_missing: bool = False) -> dict[str, Any]:
    return {"path": str(path), "title": title, "allow_missing": allow_missing}


def result(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / evaluator.RESULT).read_text()))


def fault(folder: Path) -> tuple[str, str]:
    assert not (folder / evaluator.RESULT).exists()
    told = json.loads((folder / evaluator.FAULT).read_text())
    return told["kind"], told["why"]
