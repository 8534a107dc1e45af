"""Work that comes to its end, however often whoever waits for it is cancelled: by a caller that is
gone, then by a daemon that stops."""

import asyncio
import contextvars
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def whole(work: asyncio.Future[T]) -> T:
    """Wait for the end of work; only then does being cancelled come through.

    What the work uses must not be closed, removed or given to others while it goes on.
    """
    is_cancelled = False
    while not work.done():
        try:
            await asyncio.wait([work])
        except asyncio.CancelledError:
            is_cancelled = True
    if is_cancelled:
        work.exception()  # Nobody will ask for it.
        raise asyncio.CancelledError
    return work.result()


async def in_thread(work: Callable[..., T], *arguments: object) -> T:
    """Do as asyncio.to_thread, but let also who is cancelled wait for the end."""
    context = contextvars.copy_context()
    loop = asyncio.get_running_loop()
    return await whole(loop.run_in_executor(None, context.run, work, *arguments))
