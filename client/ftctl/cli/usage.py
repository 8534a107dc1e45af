"""Show what each user has of the machine: jobs that wait, run and have ended, and device time.
Users other than admins see themselves alone."""

import json
import sys
from argparse import ArgumentParser, Namespace
from dataclasses import asdict
from datetime import timedelta

from rich.text import Text

from ftctl.cli import codes, reach
from ftctl.view import console, grid, text

TITLES = ("user", "queued", "running", "ended", "device time")


def configure(parser: ArgumentParser) -> None:
    """Add what the verb takes."""
    parser.add_argument(
        "-o", dest="format", metavar="FORMAT", choices=["json"], help="json: an array of users"
    )


async def run(args: Namespace) -> int:
    """Run the verb."""
    async with reach.client(args) as client:
        users = await client.usage()
    if args.format == "json":
        sys.stdout.write(json.dumps([asdict(each) for each in users], indent=2) + "\n")
        return codes.DONE
    rows: list[list[str | Text]] = [[Text(title, "label") for title in TITLES]]
    for each in users:
        held = text.duration(timedelta(seconds=each.device_seconds))
        counts = [text.count(number) for number in (each.queued, each.running, each.ended)]
        rows.append([text.clean(each.user), *counts, held])
    out = console.out()
    width = out.width if out.is_terminal else None
    spare = [TITLES.index("ended"), TITLES.index("device time")]
    told = grid.lines(rows, aligns="<>>>>", width=width, flexible=[(0, 8)], spare=spare)
    console.show(out, told)
    return codes.DONE
