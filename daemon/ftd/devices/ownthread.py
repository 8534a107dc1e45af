"""A thread of its own for what may hang for good, as a driver or a network disk does."""

import asyncio
import contextlib
from collections.abc import Callable
from threading import Thread
from typing import TypeVar

T = TypeVar("T")


def begun(work: Callable[[], T], *, name: str) -> "asyncio.Future[T]":
    """Begin work. Its thread is of no pool: it neither holds others up nor the daemon's end."""
    answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
    Thread(target=_answer, args=(work, answer), daemon=True, name=name).start()
    return answer


def _answer(work: Callable[[], T], answer: "asyncio.Future[T]") -> None:
    """Work, and hand over what came of it; to nobody where the loop has ended meanwhile."""
    made: list[T] = []
    error: Exception | None = None
    try:
        made.append(work())
    except StopIteration:
        error = RuntimeError("StopIteration, which no future takes")
    except Exception as failure:  # noqa: BLE001 - told by whoever waits for it
        error = failure

    def deliver() -> None:
        if answer.cancelled():
            return
        if error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(made[0])

    with contextlib.suppress(RuntimeError):
        answer.get_loop().call_soon_threadsafe(deliver)
