"""Cancel a job and end its processes. Its history and its last good checkpoint stay. With --finish
it ends by itself after the epoch in progress, and its model is exported."""

import sys
from argparse import ArgumentParser, Namespace

from ftctl.cli import codes, reach
from ftctl.models import JobState


def configure(parser: ArgumentParser) -> None:
    """Add what the verb takes."""
    parser.add_argument("job", metavar="JOB", help="id, start of an id, or name")
    parser.add_argument(
        "--finish", action="store_true", help="let it end after this epoch and export its best"
    )


async def run(args: Namespace) -> int:
    """Run the verb."""
    async with reach.client(args) as client:
        job = await client.cancel(args.job, finish=args.finish)
    if job.is_finishing:
        sys.stdout.write(f"{job.name} ends after the epoch in progress and exports its best\n")
        return codes.DONE
    ended = job.state in (JobState.SUCCEEDED, JobState.FAILED)
    sys.stdout.write(f"{job.name} {'had already ' if ended else 'is '}{job.state}\n")
    return codes.DONE
