"""Take jobs off their devices until they are resumed. A job that trains keeps a checkpoint first,
and goes on later exactly where it was; one that waits is held back."""

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
        for job in await several.find(client, args):
            sys.stdout.write(_told(await client.pause(job.id)) + "\n")
    return codes.DONE


def _told(job: Job) -> str:
    match job.state:
        case JobState.PAUSED:
            return f"{job.name} is paused"
        case JobState.STARTING | JobState.RUNNING:
            return f"{job.name} keeps a checkpoint and is paused then"
    return f"{job.name} is {job.state}"
