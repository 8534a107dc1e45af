"""Watch the machine on one screen: its devices and who holds their memory, the jobs that run, the
queue and what each job in it waits for. q or Ctrl-C leaves. Without a terminal it prints one
screen and ends."""

import asyncio
import signal
import sys
import time
from argparse import ArgumentParser, Namespace
from datetime import UTC, datetime

from ftctl._async.client import AsyncClient
from ftctl.cli import codes, reach
from ftctl.cli.keys import Keys
from ftctl.errors import DaemonUnreachable
from ftctl.models import Job, JobState
from ftctl.view import bars, console, jsontext, top
from ftctl.view.screen import Screen

PAGE_SIZE = 1000
STATES = [state for state in JobState if not state.is_terminal and state is not JobState.UNKNOWN]
ASK_EVERY_S = 1.0
DRAW_EVERY_S = 0.5
# Of the time; a queue of thousands takes the daemon a while to tell.
MOST_ASKING = 0.2
# In a pipe: room for a page of jobs that wait.
PIPE_LINES = 60


def configure(parser: ArgumentParser) -> None:
    """Add what the verb takes, and say what the bars mean."""
    parser.epilog = bars.explained()
    parser.add_argument(
        "-o", dest="format", metavar="FORMAT", choices=["json"],
        help="json: devices and jobs that have not ended, once",
    )  # fmt: skip


async def run(args: Namespace) -> int:
    """Run the verb."""
    async with reach.client(args) as client:
        if args.format == "json":
            sys.stdout.write(jsontext.snapshot(await client.devices(), await _jobs(client)) + "\n")
            return codes.DONE
        seen = await _ask(client)
        if console.is_live(sys.stdout):
            await _watch(client, seen)
            return codes.DONE
    out = console.out()
    page = top.Page(width=out.width, height=PIPE_LINES, is_cut=False)
    console.show(out, top.frame(seen, page))
    return codes.DONE


async def _watch(client: AsyncClient, seen: top.Snapshot) -> None:
    """Draw what the daemon says until one leaves."""
    leave = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGHUP):
        # Whoever ends us gets the terminal back as it was.
        asyncio.get_running_loop().add_signal_handler(number, leave.set)
    # Keys first: what is pressed once something is drawn counts.
    with Keys(sys.stdin, {"q": leave.set, "Q": leave.set}), Screen(console.out(), seen) as screen:
        try:
            async with asyncio.TaskGroup() as group:
                asking = group.create_task(_ask_on(client, screen), name="top-ask")
                drawing = group.create_task(_draw_on(screen), name="top-draw")
                await leave.wait()
                asking.cancel()
                drawing.cancel()
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None


async def _ask_on(client: AsyncClient, screen: Screen) -> None:
    """Keep the screen up to date, over absences of the daemon too."""
    answered = time.monotonic()
    while True:
        begun = time.monotonic()
        try:
            screen.see(await _ask(client))
            answered = time.monotonic()
        except DaemonUnreachable:
            screen.miss(time.monotonic() - answered)
        took = time.monotonic() - begun
        await asyncio.sleep(max(ASK_EVERY_S - took, took / MOST_ASKING - took, 0))


async def _draw_on(screen: Screen) -> None:
    while True:
        await asyncio.sleep(DRAW_EVERY_S)
        screen.draw()


async def _ask(client: AsyncClient) -> top.Snapshot:
    devices, jobs = await client.devices(), await _jobs(client)
    return top.Snapshot.of(devices, jobs, time=datetime.now(UTC).astimezone())


async def _jobs(client: AsyncClient) -> list[Job]:
    return [job async for job in client.list(states=STATES, page_size=PAGE_SIZE)]
