"""Show a job: its plan, its epochs, how it ended and where its files lie."""

import sys
from argparse import ArgumentParser, Namespace
from datetime import UTC, datetime

from ftctl.cli import codes, reach
from ftctl.view import card, console, jsontext, yamlout


def configure(parser: ArgumentParser) -> None:
    """Add what the verb takes."""
    parser.add_argument("job", metavar="JOB", help="id, start of an id, or name")
    parser.add_argument(
        "-o",
        dest="format",
        metavar="FORMAT",
        choices=["json", "yaml"],
        help="json: the whole job; yaml: its job file, defaults filled in, to submit again",
    )


async def run(args: Namespace) -> int:
    """Run the verb."""
    async with reach.client(args) as client:
        job = await client.get(args.job)
    if args.format == "json":
        sys.stdout.write(jsontext.job(job) + "\n")
        return codes.DONE
    if args.format == "yaml":
        sys.stdout.write(yamlout.job_file(job))
        return codes.DONE
    out = console.out()
    console.show(out, card.lines(job, now=datetime.now(UTC), console=out))
    return codes.DONE
