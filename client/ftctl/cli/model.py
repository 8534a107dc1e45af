"""Show what the net of a job file, or of a job, is made of: its modules as a tree, what each gives
out for one image, its parameters and multiply-accumulates (MACs), and what trains. Needs neither
images nor weights."""

import json
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from ftctl.blueprints import DEPTH, Blueprint
from ftctl.cli import codes, jobfiles, reach
from ftctl.errors import BadInput
from ftctl.jobfile import parse_override
from ftctl.view import blueprint, console

MOST_DEPTH = 20


def configure(parser: ArgumentParser) -> None:
    """Add what the verb takes."""
    parser.add_argument(
        "file", metavar="FILE", nargs="?", help="a job file, YAML or JSON; - is stdin"
    )
    parser.add_argument("--job", metavar="JOB", help="the net of this job instead")
    parser.add_argument(
        "--set", dest="overrides", metavar="PATH=VALUE", action="append", default=[],
        help="set a field of the file, such as model.name=resnet50; may be given again",
    )  # fmt: skip
    parser.add_argument(
        "--depth", metavar="N", type=int, choices=range(MOST_DEPTH + 1), default=DEPTH,
        help=f"show so many levels of modules, 0 to {MOST_DEPTH}; default: {DEPTH}",
    )  # fmt: skip
    parser.add_argument("--svg", metavar="FILE", help="write a diagram there instead")
    parser.add_argument("--force", action="store_true", help="replace a diagram that is there")
    parser.add_argument(
        "-o", dest="format", metavar="FORMAT", choices=["text", "json"], default="text",
        help="text (default), or json: every module, with whole numbers",
    )  # fmt: skip


async def run(args: Namespace) -> int:
    """Run the verb."""
    place = _place(args)
    found = await _found(args)
    if place is not None:
        _write(place, found.svg(args.depth))
        sys.stdout.write(f"{place}\n")
    elif args.format == "json":
        sys.stdout.write(json.dumps(found, indent=2, ensure_ascii=False) + "\n")
    else:
        blueprint.show(found, args.depth, console.out())
    return codes.DONE


def _place(args: Namespace) -> Path | None:
    """Return where a diagram is to go; None: nowhere."""
    place = Path(args.svg) if args.svg else None
    if place is not None and place.exists() and not args.force:
        raise BadInput(f"{place}: is there already; --force replaces it")
    return place


async def _found(args: Namespace) -> Blueprint:
    if (args.file is None) == (args.job is None):
        raise BadInput("say whose net: either a job FILE or --job JOB")
    if args.job is not None and args.overrides:
        raise BadInput("--set changes a job file; the net of a job is as it is")
    file = None
    if args.file is not None:
        overrides = dict(parse_override(text) for text in args.overrides)
        files = jobfiles.read([args.file], overrides=overrides)
        if len(files) > 1:
            raise BadInput(f"{args.file} holds {len(files)} jobs; a net is shown of one")
        (file,) = files
    async with reach.client(args) as client:
        with console.waiting(console.out(), "drawing the net"):
            return await client.model(file, job=args.job or "")


def _write(place: Path, drawn: str) -> None:
    try:
        place.write_text(drawn)
    except OSError as error:
        raise BadInput(f"{place}: cannot be written: {error.strerror}") from None
