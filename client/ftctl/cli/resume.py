"""Let paused jobs go on, exactly where they were. Each has its old place in the queue again."""

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
        jobs = {job.id: job for job in [await client.get(ref) for ref in args.jobs]}
        for before in jobs.values():
            job = await client.resume(before.id)
            sys.stdout.write(_told(before, job) + "\n")
    return codes.DONE


def _told(before: Job, job: Job) -> str:
    if before.state is JobState.PAUSED or before.reason == "pausing":
        return f"{job.name} goes on: it is {job.state}"
    return f"{job.name} was not paused: it is {job.state}"
