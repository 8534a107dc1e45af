"""List jobs, the latest first: where each one stands, how far it is, and its best validation
accuracy."""

import sys
from argparse import ArgumentParser, Namespace
from contextlib import aclosing
from datetime import UTC, datetime

from ftctl._async.client import AsyncClient
from ftctl.cli import codes, reach
from ftctl.errors import BadInput
from ftctl.models import Job, JobState
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
        "--name", default="", metavar="PATTERN", help="only jobs of a name like this: lr-*"
    )
    parser.add_argument(
        "--label",
        dest="labels",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="only jobs with this label; may be given again",
    )
    parser.add_argument("--user", default="", metavar="USER", help="only jobs of this user")
    parser.add_argument(
        "-n", dest="limit", metavar="N", type=int, default=0, help="only the latest N of them"
    )
    parser.add_argument(
        "-o", dest="format", metavar="FORMAT", choices=["json"], help="json: an array of jobs"
    )


async def run(args: Namespace) -> int:
    """Run the verb."""
    async with reach.client(args) as client:
        jobs = await _wanted(client, args)
    if args.format == "json":
        sys.stdout.write(jsontext.jobs(jobs) + "\n")
        return codes.DONE
    out = console.out()
    width = out.width if out.is_terminal else None
    console.show(out, table.lines(jobs, now=datetime.now(UTC), width=width))
    return codes.DONE


async def _wanted(client: AsyncClient, args: Namespace) -> list[Job]:
    if args.limit < 0:
        raise BadInput(f"-n {args.limit} is negative; say how many of the latest, or leave it out")
    found: list[Job] = []
    listed = client.list(
        states=[JobState(state) for state in args.states],
        name=args.name,
        labels=dict(map(_label, args.labels)),
        user=args.user,
        page_size=min(args.limit or PAGE_SIZE, PAGE_SIZE),
    )
    async with aclosing(listed):
        async for job in listed:
            found.append(job)
            if len(found) == args.limit:
                break
    return found


def _label(given: str) -> tuple[str, str]:
    key, equals, value = given.partition("=")
    if not key or not equals:
        raise BadInput(f"--label {given}: say it as KEY=VALUE, such as team=ants")
    return key, value
