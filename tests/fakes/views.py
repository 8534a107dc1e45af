"""A job's events as a client reads them, and terminals of any width to draw on."""

import io
from datetime import timedelta

from rich.console import Console

from finetuned.v1 import event_pb2
from ftctl import wire
from ftctl.view import console
from tests.fakes import story
from tests.fakes.scripted_daemon import START

NOW = START + timedelta(hours=2)
RECIPE = {"model": {"name": "mobilenet_v2"}}
ID = "3f2a9c1b7e604d5f8a1b2c3d4e5f6071"


async def told(*, epochs=2, end=None):
    """Return the events of a job; `end` takes the place of its last one."""
    bodies = [event async for event in story.events(epochs=epochs)]
    if end is not None:
        bodies[-3:] = [end]
    messages = [
        event_pb2.JobEvent(
            job_id=ID,
            sequence=number,
            time=START + timedelta(seconds=number),
            attempt=1,
            **body,
        )
        for number, body in enumerate(bodies, start=1)
    ]
    return [wire.event(message) for message in messages]


def terminal(width):
    return Console(
        file=io.StringIO(), width=width, height=30, force_terminal=True, color_system=None,
        theme=console._THEME, highlight=False, markup=False, emoji=False,
    )  # fmt: skip


def drawn(lines, width):
    out = terminal(width)
    console.show(out, lines)
    return out.file.getvalue()
