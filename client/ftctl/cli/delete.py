"""Delete jobs that have ended: their records, their logs, their checkpoints and models. What was
pulled stays. On a terminal it asks before."""

import sys
from argparse import ArgumentParser, Namespace

from ftctl.cli import codes, reach, several
from ftctl.errors import BadInput


def configure(parser: ArgumentParser) -> None:
    """Add what the verb takes."""
    several.configure(parser)
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask")


async def run(args: Namespace) -> int:
    """Run the verb."""
    async with reach.client(args) as client:
        jobs = await several.find(client, args)
        if not args.yes:
            _confirm([job.name for job in jobs])
        for job in jobs:
            await client.delete(job.id)
            sys.stdout.write(f"{job.name} is deleted\n")
    return codes.DONE


def _confirm(names: list[str]) -> None:
    many = f"{names[0]} and all that it has made" if len(names) == 1 else ", ".join(names)
    if not sys.stdin.isatty():
        raise BadInput("delete asks on a terminal alone; give --yes")
    sys.stderr.write(f"Delete {many}? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise BadInput("nothing was deleted")
