"""Follow a job from its first event to its end. On a terminal the view moves; in a pipe each
event is one line, progress at most every 10 seconds. The exit code is the job's."""

from argparse import ArgumentParser, Namespace

from ftctl.cli import reach
from ftctl.cli.follow import to_the_end
from ftctl.view import epochs


def configure(parser: ArgumentParser) -> None:
    """Add what the verb takes."""
    parser.epilog = epochs.LEGEND
    parser.add_argument("job", metavar="JOB", help="id, start of an id, or name")
    parser.add_argument(
        "-o", dest="format", metavar="FORMAT", choices=["json"], help="json: an object each line"
    )


async def run(args: Namespace) -> int:
    """Run the verb."""
    async with reach.client(args) as client:
        job = await client.get(args.job)
        return await to_the_end(
            client, job, lambda on_gap: client.watch(job.id, on_gap=on_gap), args
        )
