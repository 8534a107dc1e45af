"""Work beside the event loop: what comes of it, and that whoever leaves it waits for nothing."""

import asyncio
import subprocess
import sys
import threading
from contextvars import ContextVar

import pytest

from ftctl.transport.aio import aside

# Far longer than it takes to end, far shorter than for good.
LONG_S = 60
LEFT = """
import asyncio, threading
from ftctl.transport.aio import aside

async def leave():
    loop, begun = asyncio.get_running_loop(), asyncio.Event()

    def hang():
        loop.call_soon_threadsafe(begun.set)
        threading.Event().wait()

    asked = asyncio.create_task(aside(hang))
    await begun.wait()
    asked.cancel()
    await asyncio.wait({asked})
    print("cancelled" if asked.cancelled() else "not cancelled")

asyncio.run(leave())
print("over")
"""


class Late:
    """Work that hangs until it may go on."""

    def __init__(self, error=None):
        self.error = error
        self.may_end = threading.Event()
        self.begun = asyncio.Event()

    async def left(self):
        """Have it done, and be cancelled amid it."""
        self.loop = asyncio.get_running_loop()
        asked = asyncio.create_task(aside(self.do))
        await self.begun.wait()
        asked.cancel()
        await asyncio.wait({asked})
        assert asked.cancelled()

    def do(self):
        self.thread = threading.current_thread()
        self.loop.call_soon_threadsafe(self.begun.set)
        assert self.may_end.wait(LONG_S)
        if self.error is not None:
            raise self.error

    def end(self):
        self.may_end.set()
        self.thread.join(LONG_S)
        assert not self.thread.is_alive()


async def test_what_comes_of_it_is_returned():
    assert await aside(lambda: 3) == 3


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(3), asyncio.CancelledError()])
async def test_its_error_is_raised_where_it_is_awaited(error):
    with pytest.raises(type(error)) as caught:
        await aside(lambda: (_ for _ in ()).throw(error))

    assert caught.value is error


async def test_the_end_of_an_iterator_is_an_error_as_in_any_coroutine():
    with pytest.raises(RuntimeError, match="StopIteration") as caught:
        await aside(lambda: next(iter(())))

    assert isinstance(caught.value.__cause__, StopIteration)


async def test_it_knows_the_context_of_who_asked():
    var = ContextVar("var")
    var.set("ours")

    assert await aside(var.get) == "ours"


def test_neither_event_loop_nor_interpreter_waits_for_what_hangs():
    done = subprocess.run(
        [sys.executable, "-c", LEFT], capture_output=True, text=True, timeout=LONG_S, check=True
    )

    assert (done.stdout, done.stderr) == ("cancelled\nover\n", "")


@pytest.mark.parametrize("error", [None, ValueError("late")])
async def test_what_comes_after_a_cancellation_is_dropped(error):
    told, late = [], Late(error)
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    await late.left()

    late.end()

    assert await aside(lambda: "next") == "next"
    assert told == []


@pytest.mark.parametrize("error", [None, ValueError("late")])
def test_what_comes_after_the_event_loop_is_dropped(error, capfd):
    late = Late(error)
    asyncio.run(late.left())

    late.end()

    assert capfd.readouterr().err == ""
