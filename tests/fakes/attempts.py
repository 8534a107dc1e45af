"""Run directories for tests that need no recipe."""

import json
from pathlib import Path
from typing import Any

from fttrain.spec import rundir


def make_run_dir(root: Path, recipe: dict[str, Any], *, job_id: str = "j" * 32) -> Path:
    """Write a run directory as the daemon does, for a worker that reads only its recipe."""
    run_dir = root / job_id / "1"
    run_dir.mkdir(parents=True)
    (run_dir / rundir.JOURNAL).touch()
    (run_dir / rundir.RECIPE).write_text(json.dumps(recipe))
    card = rundir.AttemptCard(job_id=job_id, attempt=1, name="test")
    rundir.write_card(run_dir / rundir.ATTEMPT, card)
    return run_dir
