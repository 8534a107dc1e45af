"""List jobs, the latest first: where each one stands, how far it is, and its best validation
accuracy."""

import sys
from argparse import ArgumentParser, Namespace
from datetime import UTC, datetime

from ftctl.cli import codes, reach
from ftctl.models import JobState
from ftctl.view import console, jsontext, table

PAGE_SIZE = 1000
STATES = [state.value for state in JobState if state is not JobState.UNKNOWN]


def configure(parser: ArgumentParser) -> None:
    """Add what the verb takes."""
    parser.add_argument(
        "--state",
        dest="states",
        metavar="STATE",
        action="append",
        default=[],
        choices=STATES,
        help=f"only jobs in this state; may be given again: {', '.join(STATES)}",
    )
    parser.add_argument(
        "-o", dest="format", metavar="FORMAT", choices=["json"], help="json: an array of jobs"
    )


async def run(args: Namespace) -> int:
    """Run the verb."""
    states = [JobState(state) for state in args.states]
    async with reach.client(args) as client:
        jobs = [job async for job in client.list(states=states, page_size=PAGE_SIZE)]
    if args.format == "json":
        sys.stdout.write(jsontext.jobs(jobs) + "\n")
        return codes.DONE
    out = console.out()
    width = out.width if out.is_terminal else None
    console.show(out, table.lines(jobs, now=datetime.now(UTC), width=width))
    return codes.DONE
