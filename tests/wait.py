"""Waits for a condition, with a limit that only catches a hang."""

import asyncio
import time
from collections.abc import Callable

LIMIT_S = 60.0
_LOOK_S = 0.005


async def wait_until(condition: Callable[[], bool], limit_s: float = LIMIT_S) -> None:
    """Return as soon as the condition holds.

    Raises:
        TimeoutError: after `limit_s`: what was waited for will not come.
    """
    end = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("the condition did not come true")
        await asyncio.sleep(_LOOK_S)
