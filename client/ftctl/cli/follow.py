"""Following a job's events: on a terminal, in a pipe, until its end or Ctrl-C."""

import asyncio
import shlex
import sys
from argparse import Namespace
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager

from ftctl._async.client import AsyncClient
from ftctl._async.stream import OnGap
from ftctl.cli import codes
from ftctl.models import Event, Job, StateChanged
from ftctl.view import console
from ftctl.view.eventlines import EventLines
from ftctl.view.live import LiveView
from ftctl.view.plain import LineView

Watch = Callable[[OnGap], AsyncIterator[Event]]
"""Begins to yield a job's events; is given what to call where the daemon goes away."""


async def to_the_end(client: AsyncClient, job: Job, watch: Watch, args: Namespace) -> int:
    """Show a job's events up to the last; return the job's exit code."""
    view = _view_of(job, getattr(args, "format", None))
    with Leaving(job.name, args), view as show:
        last = await follow(watch(view.show_gap), show=show)
    if isinstance(last, StateChanged):
        return codes.of_job(last.state, last.outcome)
    job = await client.get(job.id)
    return codes.of_job(job.state, job.outcome)


async def follow(
    events: AsyncIterator[Event],
    *,
    show: Callable[[Event], None] = lambda event: None,
    until: Callable[[Event], bool] = lambda event: False,
) -> Event | None:
    """Show events until one is the last; return it."""
    last = None
    async for last in events:
        show(last)
        if until(last):
            break
    return last


class Leaving(AbstractContextManager["Leaving"]):
    """Says, where Ctrl-C ends what is done within, that the job goes on and how to come back."""

    def __init__(self, name: str, args: Namespace) -> None:
        self._name = name
        self._args = args

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is not None and issubclass(kind, asyncio.CancelledError):
            watch, cancel = (command(self._args, verb, self._name) for verb in ("watch", "cancel"))
            # A command each line: they are there to be copied.
            sys.stderr.write(
                f"left {self._name}, which goes on\n"
                f"  {watch:<{len(cancel)}}  comes back\n"
                f"  {cancel}  ends it\n"
            )


def command(args: Namespace, *words: str) -> str:
    """Return a command as its user would type it, for the same daemon."""
    given = (("--socket", args.socket), ("--server", args.server), ("--ca", args.ca))
    options = [word for pair in given if pair[1] for word in pair]
    return shlex.join(("ftctl", *options, *words))


def _view_of(job: Job, form: str | None) -> LiveView | LineView | EventLines:
    if form == "json":
        return EventLines(out=sys.stdout, err=sys.stderr)
    if console.is_live(sys.stdout):
        return LiveView(name=job.name, job_id=job.id, recipe=job.recipe, console=console.out())
    return LineView(out=sys.stdout, err=sys.stderr)
