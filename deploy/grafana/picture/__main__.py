"""Draw a committed dashboard by matplotlib, from what a Prometheus answers to its expressions.

For instance `python -m deploy.grafana.picture job --set job_id=3f2a --out job.png`.
It is a rendering: Grafana draws the same panels its own way.
"""

import argparse
import sys
from pathlib import Path

from deploy.grafana.picture import page
from deploy.grafana.picture.answers import Source


def main(arguments: list[str]) -> int:
    """Draw the picture that is asked for."""
    given = _parser().parse_args(arguments)
    chosen = dict(pair.split("=", 1) for pair in given.set)
    source = Source(url=given.prometheus, seconds=given.seconds, chosen=chosen)
    page.draw(given.dashboard, source, given.out)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy.grafana.picture", description=__doc__)
    parser.add_argument("dashboard", choices=("fleet", "job"))
    parser.add_argument("--out", type=Path, required=True, help="the PNG to write")
    parser.add_argument("--prometheus", metavar="URL", default="http://127.0.0.1:9090")
    parser.add_argument(
        "--seconds", type=float, default=3600, help="how far back (default: %(default)s)"
    )
    parser.add_argument(
        "--set", metavar="NAME=VALUE", action="append", default=[], help="choose a variable's value"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
