"""Let paused jobs go on, exactly where they were. Each has its old place in the queue again."""

import sys
from argparse import ArgumentParser, Namespace

from ftctl.cli import codes, reach, several
from ftctl.models import Job, JobState


def configure(parser: ArgumentParser) -> None:
    """Add what the verb takes."""
    several.configure(parser)


async def run(args: Namespace) -> int:
    """Run the verb."""
    async with reach.client(args) as client:
        for before in await several.find(client, args):
            job = await client.resume(before.id)
            sys.stdout.write(_told(before, job) + "\n")
    return codes.DONE


def _told(before: Job, job: Job) -> str:
    if before.state is JobState.PAUSED or before.reason == "pausing":
        return f"{job.name} goes on: it is {job.state}"
    return f"{job.name} was not paused: it is {job.state}"
