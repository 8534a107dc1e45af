"""Print the epochs that a job has finished, with their figures. A terminal shows those that it
has room for; csv and json have all, at full precision."""

import sys
from argparse import ArgumentParser, Namespace

from ftctl.cli import codes, reach
from ftctl.view import console, epochs, metrics


def configure(parser: ArgumentParser) -> None:
    """Add what the verb takes."""
    parser.epilog = epochs.LEGEND
    parser.add_argument("job", metavar="JOB", help="id, start of an id, or name")
    parser.add_argument(
        "-o",
        dest="format",
        metavar="FORMAT",
        choices=["table", "csv", "json"],
        default="table",
        help="table (default), csv, or json: an array of epochs",
    )


async def run(args: Namespace) -> int:
    """Run the verb."""
    async with reach.client(args) as client:
        job = await client.get(args.job)
    match args.format:
        case "csv":
            sys.stdout.write(metrics.as_csv(job.epochs))
        case "json":
            sys.stdout.write(metrics.as_json(job.epochs) + "\n")
        case _ if not job.epochs:
            sys.stderr.write(f"ftctl: {job.name} has finished no epoch: it is {job.state}\n")
        case _:
            out = console.out()
            console.show(out, metrics.lines(job.epochs, out))
    return codes.DONE
