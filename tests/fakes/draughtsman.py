"""A zygote whose plotters are no processes: they hand back what they were asked for."""

import signal
from pathlib import Path


class Draughtsman:
    """Draws the request itself; refuses to draw `lr`; breaks off at `calibration_error`."""

    async def plot(self, folder: Path) -> "Drawing":
        request = (folder / "request.json").read_text()
        if '"lr"' in request:
            (folder / "fault.json").write_text('{"why": "curves has no such metric"}')
        elif '"calibration_error"]' not in request:
            (folder / "picture.png").write_text(request)
        return Drawing()


class Drawing:
    """A plotter that is done."""

    is_orphan = False

    async def wait(self) -> None:
        return

    def send(self, number: signal.Signals) -> None:
        return

    def close(self) -> None:
        return
