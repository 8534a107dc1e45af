"""Compare our speed with others': `python -m benchmarks.speed [--rows NAME ...] [--repeats N]`.

All takes about half an hour on 2 cores. What is measured is kept at once in docs/speed.json; a run
that broke off goes on where it was, a whole one begins anew. `--rows` measures the named rows
again and leaves the others as they are. `--quick` tries all on few images, far from the page.
"""

import argparse
import sys
from collections.abc import Sequence

from benchmarks.speed import comparison, environment, page, picture
from benchmarks.speed.goals import GOALS

PAGE = comparison.DOCS / "benchmarks.md"


def main(arguments: Sequence[str]) -> int:
    """Measure, print, write the page; return 1 where a goal is missed."""
    args = _parser().parse_args(arguments)
    names = args.rows or list(GOALS)
    kept = comparison.measure(
        names, repeats=args.repeats, minutes=args.minutes, is_quick=args.quick
    )  # fmt: skip
    if args.quick:
        sys.stdout.write(page.section(kept))
        picture.draw(page.found(kept), kept.probes, environment.cache() / "quick.png")
    else:
        PAGE.write_text(page.placed(PAGE.read_text(), comparison.section(kept)))
    return comparison.finish(kept, names)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed")
    parser.add_argument(
        "--rows", nargs="+", choices=tuple(GOALS), metavar="NAME",
        help=f"only these; there are {', '.join(GOALS)}",
    )  # fmt: skip
    parser.add_argument(
        "--repeats", type=int, default=comparison.REPEATS, metavar="N",
        help="rounds; default %(default)s",
    )  # fmt: skip
    parser.add_argument(
        "--minutes", type=float, default=comparison.MINUTES, metavar="M",
        help="once they are over, what is left has one round; default %(default)g",
    )  # fmt: skip
    parser.add_argument("--quick", action="store_true", help="try it on few images")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
