"""A server stream that is taken up again where it was cut."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from typing import Any, TypeVar

import grpc

R = TypeVar("R")

OnGap = Callable[[float | None], None]
"""Is told for how many seconds a stream has been cut, and None once it is back."""

# The daemon stops or restarts, or cut a reader that fell behind.
CUT = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED}
FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 1.0
TELL_EVERY_S = 1.0
# A stream may be silent for long; one that lasted this long did reach the daemon. The channel
# gives up a connection after 1.2 s.
STANDS_AFTER_S = 2.0


async def resumed(
    open_stream: Callable[[], grpc.aio.UnaryStreamCall[Any, R]],
    *,
    patience_s: float,
    on_gap: OnGap | None = None,
) -> AsyncGenerator[R, None]:
    """Yield what a stream brings; open it again after each cut.

    `open_stream` asks for what comes after the last message that was yielded.

    Raises:
        grpc.aio.AioRpcError: for any other status, and for a cut that has lasted `patience_s`.
    """
    gap = _Gap(on_gap or (lambda seconds: None))
    while True:
        call = open_stream()
        standing = asyncio.get_running_loop().call_later(STANDS_AFTER_S, gap.end)
        try:
            async for message in call:
                gap.end()
                yield message
            gap.end()
            return
        except grpc.aio.AioRpcError as error:
            if error.code() not in CUT or gap.seconds > patience_s:
                raise
        finally:
            standing.cancel()
            call.cancel()
        gap.go_on()
        await asyncio.sleep(gap.pause_s())


class _Gap:
    """The time since a stream was cut, and the pace at which it is tried again."""

    def __init__(self, tell: OnGap) -> None:
        self._tell = tell
        self._since: float | None = None
        self._told_at = 0.0
        self._pause_s = FIRST_PAUSE_S

    @property
    def seconds(self) -> float:
        """How long it has lasted; 0 where there is none."""
        return 0.0 if self._since is None else time.monotonic() - self._since

    def go_on(self) -> None:
        """Begin it, or say that it lasts."""
        now = time.monotonic()
        if self._since is None:
            self._since, self._pause_s = now, FIRST_PAUSE_S
        elif now - self._told_at < TELL_EVERY_S:
            return
        self._told_at = now
        self._tell(now - self._since)

    def end(self) -> None:
        """Say that the stream is back, where it was away."""
        if self._since is not None:
            self._since = None
            self._tell(None)

    def pause_s(self) -> float:
        """Return how long to wait before the next try: longer each time."""
        pause_s = self._pause_s
        self._pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        return pause_s
