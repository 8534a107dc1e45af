"""A server stream that is taken up again where it was cut."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from typing import Any, TypeVar

import grpc

R = TypeVar("R")

# The daemon stops or restarts, or cut a reader that fell behind.
CUT = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED}
FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 2.0
# A stream may be silent for long; one that lasted this long did reach the daemon.
STANDS_AFTER_S = 5.0


async def resumed(
    open_stream: Callable[[], grpc.aio.UnaryStreamCall[Any, R]], *, patience_s: float
) -> AsyncGenerator[R, None]:
    """Yield what a stream brings; open it again after each cut.

    `open_stream` asks for what comes after the last message that was yielded.

    Raises:
        grpc.aio.AioRpcError: for any other status, and for a cut that has lasted `patience_s`.
    """
    pause_s, failing_since = FIRST_PAUSE_S, None
    while True:
        call, opened = open_stream(), time.monotonic()
        try:
            async for message in call:
                pause_s, failing_since = FIRST_PAUSE_S, None
                yield message
            return
        except grpc.aio.AioRpcError as error:
            now = time.monotonic()
            if now - opened > STANDS_AFTER_S or failing_since is None:
                pause_s, failing_since = FIRST_PAUSE_S, now
            if error.code() not in CUT or now - failing_since > patience_s:
                raise
        finally:
            call.cancel()
        await asyncio.sleep(pause_s)
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
