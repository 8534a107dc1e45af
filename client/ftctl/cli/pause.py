"""Take jobs off their devices until they are resumed. A job that trains keeps a checkpoint first,
and goes on later exactly where it was; one that waits is held back."""

import sys
from argparse import ArgumentParser, Namespace

from ftctl.cli import codes, reach
from ftctl.models import Job, JobState


def configure(parser: ArgumentParser) -> None:
    """Add what the verb takes."""
    parser.add_argument(
        "jobs", metavar="JOB", nargs="+", help="id, start of an id, or name; several are taken"
    )


async def run(args: Namespace) -> int:
    """Run the verb."""
    async with reach.client(args) as client:
        # All are looked up first: a misspelt one must not be found out behind half of the work.
        jobs = {job.id: job for job in [await client.get(ref) for ref in args.jobs]}
        for job in jobs.values():
            sys.stdout.write(_told(await client.pause(job.id)) + "\n")
    return codes.DONE


def _told(job: Job) -> str:
    match job.state:
        case JobState.PAUSED:
            return f"{job.name} is paused"
        case JobState.STARTING | JobState.RUNNING:
            return f"{job.name} keeps a checkpoint and is paused then"
    return f"{job.name} is {job.state}"
