"""Say how alike the nets of two jobs are, layer by layer: their parameters, and their features of
the first job's validation images. It runs beside training, never on an accelerator."""

import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from pathlib import Path

from ftctl.cli import codes, place, reach
from ftctl.similarities import IMAGES, MOST_IMAGES
from ftctl.view import console, jsontext, similarity

EPILOG = """\
what is told of a layer:
  cosine   of the biases of both, and of all its other parameters; 1: the same direction
  rel. L2  length of the difference of all its parameters, in lengths of A's
  CKA      linear CKA (Kornblith et al., 2019) of its outputs, averaged over positions;
           1: the same up to rotation and scale. With few images it is high for wide layers.
"""


def configure(parser: ArgumentParser) -> None:
    """Add what the verb takes."""
    parser.formatter_class = RawDescriptionHelpFormatter
    parser.epilog = EPILOG
    for name, what in (("first", "A"), ("second", "B")):
        parser.add_argument(
            name, metavar=what, help="a job, JOB/best (default) or JOB/last; one architecture"
        )
    parser.add_argument(
        "--images", metavar="N", type=int, default=0,
        help=f"compare features of N images, 2 to {MOST_IMAGES}; default: {IMAGES}",
    )  # fmt: skip
    parser.add_argument(
        "--plot", metavar="FILE", type=Path,
        help="also draw it, as PNG, and write its numbers beside it, as JSON",
    )  # fmt: skip
    parser.add_argument("--force", action="store_true", help="replace files that are there")
    parser.add_argument(
        "-o", dest="format", metavar="FORMAT", choices=["json"], help="json: an object"
    )


async def run(args: Namespace) -> int:
    """Run the verb."""
    files = [args.plot, args.plot.with_suffix(".json")] if args.plot is not None else []
    for file in files:
        place.free(file, is_forced=args.force)
    out = console.out()
    async with reach.client(args) as client:
        with console.waiting(out, f"comparing {args.first} and {args.second}"):
            found = await client.similarity(
                args.first, args.second, images=args.images, picture=bool(files)
            )
    if files:
        place.write(files[0], found.png)
        place.write(files[1], f"{jsontext.similarity(found)}\n".encode())
    if args.format == "json":
        sys.stdout.write(f"{jsontext.similarity(found)}\n")
    else:
        console.show(out, similarity.lines(found, files, out))
    return codes.DONE
