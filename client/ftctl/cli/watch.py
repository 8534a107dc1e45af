"""Follow a job from its first event to its end. On a terminal the view moves; in a pipe each
event is one line. The exit code is the job's."""

from argparse import ArgumentParser, Namespace

from ftctl._async.client import Client
from ftctl.cli.follow import to_the_end


def configure(parser: ArgumentParser) -> None:
    """Add what the verb takes."""
    parser.add_argument("job", metavar="JOB", help="id, start of an id, or name")


async def run(args: Namespace) -> int:
    """Run the verb."""
    async with Client(args.socket) as client:
        job = await client.get(args.job)
        return await to_the_end(client, job, client.watch(job.id), args)
