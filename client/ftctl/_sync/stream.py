# Generated from ftctl/_async by `make sync`; do not edit.
"""A server stream that is taken up again where it was cut."""

import threading
import time
from collections.abc import Callable, Generator
from functools import partial
from typing import TypeVar

import grpc

from ftctl.channel import STREAM_DEADLINE_S
from ftctl.transport import blocking as transport

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


def resumed(
    open_stream: Callable[[float], "transport.Stream[R]"],
    *,
    patience_s: float,
    on_gap: OnGap | None = None,
    stands_after_s: float = STANDS_AFTER_S,
    until: float = float("inf"),
) -> Generator[R, None]:
    """Yield what a stream brings; open it again after each cut.

    `open_stream` asks for what comes after the last message that was yielded, with a deadline in
    seconds. A stream that lasted `stands_after_s` did reach the daemon. `until` is the moment of
    the monotonic clock at which to end.

    Raises:
        grpc.RpcError: for any other status, and for a cut that has lasted `patience_s`.
        TimeoutError: where `until` has come.
    """
    gap = Gap(on_gap or (lambda seconds: None))
    while True:
        if (left_s := until - time.monotonic()) <= 0:
            raise TimeoutError
        call = transport.opened(partial(open_stream, min(left_s, STREAM_DEADLINE_S)))
        standing = transport.call_later(stands_after_s, gap.end)
        try:
            for message in call:
                gap.end()
                yield message
            gap.end()
            return
        except transport.RpcError as error:
            if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                continue
            if error.code() not in CUT or gap.seconds > patience_s:
                raise
        finally:
            standing.cancel()
            call.cancel()
        gap.go_on()
        transport.sleep(gap.pause_s())


class Gap:
    """The time since a stream was cut, and the pace at which it is tried again."""

    def __init__(self, tell: OnGap) -> None:
        self._tell = tell
        self._since: float | None = None
        self._told_at = 0.0
        self._pause_s = FIRST_PAUSE_S
        # A timer may run in a thread of its own.
        self._lock = threading.Lock()

    @property
    def seconds(self) -> float:
        """How long it has lasted; 0 where there is none."""
        since = self._since
        return 0.0 if since is None else time.monotonic() - since

    def go_on(self) -> None:
        """Begin it, or say that it lasts."""
        now = time.monotonic()
        with self._lock:
            since = self._since
            if since is None:
                since = self._since = now
                self._pause_s = FIRST_PAUSE_S
            elif now - self._told_at < TELL_EVERY_S:
                return
            self._told_at = now
        self._tell(now - since)

    def end(self) -> None:
        """Say that the stream is back, where it was away."""
        with self._lock:
            was_away, self._since = self._since is not None, None
        if was_away:
            self._tell(None)

    def pause_s(self) -> float:
        """Return how long to wait before the next try: longer each time."""
        pause_s = self._pause_s
        self._pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        return pause_s
