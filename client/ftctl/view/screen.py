"""The whole terminal as one picture of a machine, redrawn as the daemon tells of it."""

from contextlib import AbstractContextManager

from rich.console import Console, Group
from rich.live import Live

from ftctl.view import gap, top


class Screen(AbstractContextManager["Screen"]):
    """Draws on the terminal's other screen; what stood there before comes back in the end."""

    def __init__(self, console: Console, seen: top.Snapshot) -> None:
        self._console = console
        self._seen = seen
        self._absence = ""
        self._live = Live(console=console, screen=True, auto_refresh=False)

    def __enter__(self) -> "Screen":
        """Take the terminal."""
        self._live.start()
        self.draw()
        return self

    def __exit__(self, *_: object) -> None:
        """Give it back."""
        self._live.stop()

    def see(self, seen: top.Snapshot) -> None:
        """Take in what the daemon said."""
        self._seen, self._absence = seen, ""

    def miss(self, seconds: float) -> None:
        """Take in that the daemon has not answered for so long."""
        self._absence = gap.told(seconds, goes_on="the jobs go on")

    def draw(self) -> None:
        """Draw the latest that was seen, as large as the terminal is now."""
        size = self._console.size
        page = top.Page(width=size.width, height=size.height)
        lines = top.frame(self._seen, page, absence=self._absence)
        self._live.update(Group(*lines), refresh=True)
