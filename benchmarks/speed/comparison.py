"""Measures all rows that are asked for, and tells what they came to."""

import json
import platform
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.material import material
from benchmarks.speed import environment, page, picture, sets, turns
from benchmarks.speed.contests import CONTESTS
from benchmarks.speed.goals import GOALS
from benchmarks.speed.samples import Kept
from benchmarks.table import CHECKOUT, processor

DOCS = CHECKOUT / "docs"
KEPT = DOCS / "speed.json"
FORMAT = 1
"""Of the file; what another one has kept does not count."""
REPEATS, MINUTES = 3, 30.0


def measure(
    names: Sequence[str] = tuple(GOALS),
    *,
    repeats: int = REPEATS,
    minutes: float = MINUTES,
    is_quick: bool = False,
) -> Kept:
    """Measure rows, or what is missing of them. Once the minutes are over, each has one round."""
    python = platform.python_version()
    about = {
        "format": FORMAT, "machine": f"{processor()}, Python {python}", "quick": is_quick,
    }  # fmt: skip
    kept = Kept(environment.cache() / "quick.json" if is_quick else KEPT, about)
    contests = list(dict.fromkeys(GOALS[name].contest for name in names))
    with TemporaryDirectory() as folder:
        session = turns.Session(
            given=material(Path(folder)), python=environment.interpreter(), kept=kept,
            repeats=1 if is_quick else repeats, until=time.monotonic() + 60 * minutes,
            is_quick=is_quick,
        )  # fmt: skip
        if set(contests) <= set(kept.whole):
            for contest in contests:
                kept.drop(contest)
            kept.probed({})
        if not kept.probes:
            kept.probed(_probed(is_quick=is_quick))
        turns.contests(session, contests)
    return kept


def section(kept: Kept) -> str:
    """Draw the picture; return the section of the page."""
    picture.draw(page.found(kept), kept.probes, DOCS / page.PICTURE)
    return page.section(kept)


def finish(kept: Kept, names: Iterable[str] = tuple(GOALS)) -> int:
    """Print the rows; return 1 where a goal is missed."""
    rows = page.found(kept)
    asked = [rows[name] for name in names if name in rows]
    print(page.TITLE)
    for row in asked:
        verdict = "holds" if row.holds else "MISSED"
        goal = f"  (goal {row.goal.text}: {verdict})" if row.goal.text else ""
        print(f"  {row.goal.what}: {row.ratio.median:.3g}{goal}")
    return 0 if all(row.holds for row in asked) else 1


def _probed(*, is_quick: bool) -> dict[str, float]:
    names = dict.fromkeys(contest.photos for contest in CONTESTS.values())
    folders = [f"{name}={sets.folder(name, is_quick=is_quick)}" for name in names]
    command = [sys.executable, "-m", "benchmarks.speed.probes", *folders]
    said = subprocess.run(command, check=True, cwd=CHECKOUT, stdout=subprocess.PIPE).stdout
    told: dict[str, float] = json.loads(said)
    return told
