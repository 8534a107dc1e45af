"""A line to a daemon that breaks after so many bytes."""

import contextlib
import socket
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

_AT_ONCE = 16 * 2**10
At = Path | tuple[str, int]


class Cutting:
    """Hands bytes on between a socket of its own and a daemon's, and cuts at set counts.

    Args:
        place: Where it listens: a socket's path, or host and port.
        daemon: Where the daemon does.
        cuts: After how many bytes towards the daemon, over all connections, it cuts them.
    """

    def __init__(self, place: At, daemon: At, cuts: Sequence[int] = ()) -> None:
        self.sent_bytes = 0
        """What it took towards the daemon."""
        self.done = 0
        """How often it has cut."""
        self._daemon = daemon
        self._cuts = list(cuts)
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self._listener = _socket(place)
        self._listener.bind(_address(place))
        self._listener.listen(16)
        self._threads = [self._begin(self._accept)]

    @property
    def port(self) -> int:
        """Where it listens, of a host."""
        return int(self._listener.getsockname()[1])

    def close(self) -> None:
        """End it."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._cut()
        for thread in list(self._threads):
            thread.join(10)
        self._listener.close()

    def _begin(self, work, *args) -> threading.Thread:
        thread = threading.Thread(target=work, args=args, daemon=True)
        thread.start()
        return thread

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                ours, _ = self._listener.accept()
                theirs = _socket(self._daemon)
                try:
                    theirs.connect(_address(self._daemon))
                except OSError:
                    ours.close()
                    continue
                for each in (ours, theirs):
                    if each.family == socket.AF_INET:
                        each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with self._lock:
                    self._open += [ours, theirs]
                self._threads.append(self._begin(self._hand_on, ours, theirs, True))
                self._threads.append(self._begin(self._hand_on, theirs, ours, False))

    def _hand_on(self, source: socket.socket, target: socket.socket, towards: bool) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(_AT_ONCE):
                if not towards:
                    target.sendall(piece)
                    continue
                with self._lock:
                    self.sent_bytes += len(piece)
                    over = self.sent_bytes - self._cuts[0] if self._cuts else -1
                target.sendall(piece[: len(piece) - max(over, 0)])
                if over >= 0:
                    self._cuts.pop(0)
                    self.done += 1
                    break
        self._end(source, target)

    def _end(self, *sockets: socket.socket) -> None:
        for each in sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            with self._lock:
                if each in self._open:
                    self._open.remove(each)
                    each.close()

    def _cut(self) -> None:
        with self._lock:
            left = list(self._open)
        self._end(*left)


@contextlib.contextmanager
def cutting(place: At, daemon: At, cuts: Sequence[int] = ()) -> Iterator[Cutting]:
    """Run one."""
    line = Cutting(place, daemon, cuts)
    try:
        yield line
    finally:
        line.close()


def _socket(at: At) -> socket.socket:
    return socket.socket(socket.AF_UNIX if isinstance(at, Path) else socket.AF_INET)


def _address(at: At) -> str | tuple[str, int]:
    return str(at) if isinstance(at, Path) else at
