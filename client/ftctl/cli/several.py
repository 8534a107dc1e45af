"""Verbs that take several jobs."""

from argparse import ArgumentParser, Namespace

from ftctl._async.client import AsyncClient
from ftctl.models import Job


def configure(parser: ArgumentParser) -> None:
    """Add the jobs that a verb takes."""
    parser.add_argument(
        "jobs", metavar="JOB", nargs="+", help="id, start of an id, or name; several are taken"
    )


async def find(client: AsyncClient, args: Namespace) -> list[Job]:
    """Return the jobs that were named, each once.

    All are looked up before anything is done: a misspelt one must not be found out behind half of
    the work.
    """
    jobs = [await client.get(ref) for ref in args.jobs]
    return list({job.id: job for job in jobs}.values())
