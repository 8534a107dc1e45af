"""Draw what a job has measured, again and with other axes; while it trains, too. The daemon draws;
here it is written as a PNG file."""

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from ftctl.cli import codes, place, reach
from ftctl.view import console

KINDS = (
    "curves", "confusion", "confusion-test", "predictions", "mistakes", "filters", "features",
    "guided_backprop", "augmentations",
)  # fmt: skip


def configure(parser: ArgumentParser) -> None:
    """Add what the verb takes."""
    parser.add_argument("job", metavar="JOB", help="id, start of an id, or name")
    parser.add_argument(
        "kind", metavar="KIND", nargs="?", choices=KINDS, default="curves",
        help=f"{', '.join(KINDS)}; default: curves",
    )  # fmt: skip
    parser.add_argument(
        "--with", dest="others", metavar="JOB", action="append", default=[],
        help="compare: draw the curves of this job, too; up to seven",
    )  # fmt: skip
    for name in ("x", "y"):
        parser.add_argument(
            f"--{name}", metavar="SCALE", choices=["linear", "log"],
            help=f"linear or log: the scale of the {name} axis of curves",
        )  # fmt: skip
    parser.add_argument(
        "--metric", dest="metrics", metavar="NAME", action="append", default=[],
        help="a panel of curves: loss, accuracy, error, balanced_accuracy, top5_accuracy, "
        "calibration_error, lr; the shade of confusion: recall, precision, count; the order of "
        "mistakes: loss, confidence, class; the scale of filters: each, joint; a layer of features",
    )  # fmt: skip
    parser.add_argument("--out", metavar="FILE", help="where to; default: JOB-KIND.png")
    parser.add_argument("--force", action="store_true", help="replace a file that is there")


async def run(args: Namespace) -> int:
    """Run the verb."""
    async with reach.client(args) as client:
        job = await client.get(args.job)
        where = Path(args.out or f"{job.name}-{args.kind}.png")
        where = place.free(where, is_forced=args.force)
        with console.waiting(console.out(), f"drawing {args.kind} of {job.name}"):
            picture = await client.plot(
                job.id, *args.others, kind=args.kind, x=args.x, y=args.y, metrics=args.metrics
            )
    place.write(where, picture)
    sys.stdout.write(f"{where}\n")
    return codes.DONE
