"""Compare our speed with others': `python -m benchmarks.speed [--rows NAME ...] [--repeats N]`.

All takes about half an hour on 2 cores. What is measured is kept at once in docs/speed.json; a run
that broke off goes on where it was, a whole one begins anew. `--rows` measures the named rows
again and leaves the others as they are. `--quick` tries all on few images, far from the page.
"""

import argparse
import json
import platform
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.material import material
from benchmarks.speed import environment, page, picture, sets, turns
from benchmarks.speed.contests import CONTESTS
from benchmarks.speed.goals import GOALS
from benchmarks.speed.samples import Kept
from benchmarks.table import CHECKOUT, processor

KEPT = CHECKOUT / "docs/speed.json"
PAGE = CHECKOUT / "docs/benchmarks.md"
REPEATS = 3


def main(arguments: Sequence[str]) -> int:
    """Measure, print, write the page; return 1 where a goal is missed."""
    args = _parser().parse_args(arguments)
    names = args.rows or list(GOALS)
    kept = measure(names, repeats=args.repeats, is_quick=args.quick)
    if args.quick:
        sys.stdout.write(page.section(kept))
        picture.draw(page.found(kept), kept.probes, environment.cache() / "quick.png")
    else:
        PAGE.write_text(page.placed(PAGE.read_text(), section(kept)))
    return finish(kept, names)


def measure(
    names: Sequence[str] = tuple(GOALS), *, repeats: int = REPEATS, is_quick: bool = False
) -> Kept:
    """Measure rows, or what is missing of them."""
    python = platform.python_version()
    about = {"machine": f"{processor()}, Python {python}", "quick": is_quick}
    kept = Kept(environment.cache() / "quick.json" if is_quick else KEPT, about)
    contests = list(dict.fromkeys(GOALS[name].contest for name in names))
    with TemporaryDirectory() as folder:
        session = turns.Session(
            given=material(Path(folder)), python=environment.interpreter(), kept=kept,
            repeats=1 if is_quick else repeats, is_quick=is_quick,
        )  # fmt: skip
        if all(turns.is_whole(session, contest) for contest in contests):
            for contest in contests:
                kept.drop(contest)
            kept.probed({})
        if not kept.probes:
            kept.probed(_probed(is_quick=is_quick))
        for contest in contests:
            turns.contest(session, contest)
    return kept


def section(kept: Kept) -> str:
    """Draw the picture; return the section of the page."""
    picture.draw(page.found(kept), kept.probes, PAGE.parent / page.PICTURE)
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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed")
    parser.add_argument(
        "--rows", nargs="+", choices=tuple(GOALS), metavar="NAME",
        help=f"only these; there are {', '.join(GOALS)}",
    )  # fmt: skip
    parser.add_argument(
        "--repeats", type=int, default=REPEATS, metavar="N", help=f"rounds; default {REPEATS}"
    )
    parser.add_argument("--quick", action="store_true", help="try it on few images")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
