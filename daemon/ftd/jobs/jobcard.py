"""What a job's folder tells of the job itself, so that the store can be made again from it.

`runs/ID/job.json` is written before the first attempt and whenever the job's state changes. The
store is the truth; this is read by `ftd restore` alone.
"""

import json
import os
import threading
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import structlog

from ftd.jobs.model import Job
from ftd.jobs.store.rows import job_from, new_row
from fttrain.spec import rundir

log = structlog.get_logger()

FORMAT = 1
NAME = "job.json"
_TIMES = ("create_time", "start_time", "end_time", "not_before", "retry_time")
_TOLD = {"progress": None, "artifacts": "[]"}
"""What the journals tell."""


def write(folder: Path, job: Job) -> None:
    """Write the card of a job into its folder, durably.

    Raises:
        OSError: where that cannot be.
    """
    rundir.write_aside(folder / NAME, _content(job))


def renew(job: Job) -> None:
    """Write a job's card again, where it has a folder. One that cannot be written is told.

    There whole or not at all; after a power cut it may be the one before.
    """
    if not job.run_dir:
        return
    path = Path(job.run_dir).parent / NAME
    aside = path.with_name(f".{NAME}.{os.getpid()}.{threading.get_ident()}")
    try:
        aside.write_bytes(_content(job))
        aside.replace(path)
    except OSError as error:
        log.warning("job_card_not_written", job_id=job.id, error=str(error))


def read(folder: Path) -> Job | None:
    """Return the job of a folder, without its plan and what its events tell; None: no card.

    Raises:
        NewerFormat: where a newer version wrote it.
    """
    path = folder / NAME
    try:
        body = json.loads(path.read_bytes())
        rundir.refuse_newer(path, body["format"], FORMAT)
        return _job(body["job"])
    except rundir.NewerFormat:
        raise
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _content(job: Job) -> bytes:
    row = new_row(job, request_id="", request_digest="") | _TOLD
    row |= {"number": job.number, "recipe_json": job.request.recipe_json}
    body = {"format": FORMAT, "job": row}
    return json.dumps(body, ensure_ascii=False, default=datetime.isoformat).encode()


def _job(row: dict[str, Any]) -> Job:
    times = {key: datetime.fromisoformat(row[key]) for key in _TIMES if row[key] is not None}
    given: Any = SimpleNamespace(**{**row, **times, "plan_json": ""})
    return job_from(given, epochs=())
