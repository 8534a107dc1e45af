"""The plotter's main: a short-lived process that draws one picture.

Its directory holds `request.json`: `kind`, `x`, `y`, `metrics`, and `numbers`, each the path of a
JSON file or what such a file holds. It leaves `picture.png`, or `fault.json` with `why`.
"""

import json
import os
from pathlib import Path
from typing import Any

from fttrain.pictures import kinds
from fttrain.pictures.look import BadLook, Look
from fttrain.spec import rundir

REQUEST = "request.json"
PICTURE = "picture.png"
FAULT = "fault.json"
POLITENESS = 15
"""Training on the same cores goes first."""


def main(folder: Path) -> int:
    """Draw one picture; return 0 where it is there or a fault is told."""
    os.nice(POLITENESS)
    request = json.loads((folder / REQUEST).read_text())
    look = Look(x=request["x"], y=request["y"], metrics=tuple(request["metrics"]))
    try:
        bodies = [_numbers(each) for each in request["numbers"]]
        drawn = kinds.draw(request["kind"], bodies, look)
    except BadLook as bad:
        _leave(folder, str(bad))
    except (OSError, ValueError, KeyError) as error:
        _leave(folder, f"the numbers cannot be read: {error}")
    else:
        rundir.write_aside(folder / PICTURE, drawn)
    return 0


def _numbers(given: str | dict[str, Any]) -> dict[str, Any]:
    return dict(json.loads(Path(given).read_text())) if isinstance(given, str) else given


def _leave(folder: Path, why: str) -> None:
    rundir.write_aside(folder / FAULT, json.dumps({"why": why}).encode())
