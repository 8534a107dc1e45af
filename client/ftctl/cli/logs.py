"""Print the log of a job's latest attempt, as its worker wrote it."""

import sys
from argparse import ArgumentParser, Namespace

from ftctl._async.client import Client
from ftctl.cli import codes


def configure(parser: ArgumentParser) -> None:
    """Add what the verb takes."""
    parser.add_argument("job", metavar="JOB", help="id, start of an id, or name")
    parser.add_argument(
        "-f", dest="follow", action="store_true", help="go on as the log grows, to the job's end"
    )
    parser.add_argument(
        "-n", dest="last_lines", metavar="LINES", type=int, default=0, help="only the last LINES"
    )


async def run(args: Namespace) -> int:
    """Run the verb."""
    async with Client(args.socket) as client:
        async for piece in client.logs(args.job, follow=args.follow, last_lines=args.last_lines):
            sys.stdout.write(piece)
            sys.stdout.flush()
    return codes.DONE
