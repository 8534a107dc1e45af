"""A zygote whose plotters and planners are no processes: they hand back what they are asked for."""

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

    async def plan(self, folder: Path) -> "Drawing":
        """Draw the request as a blueprint; find a fault in `alexnet`; break off at `vgg11`."""
        request = (folder / "request.json").read_text()
        if "alexnet" in request:
            fault = '[{"field": "data", "description": "images are too small"}]'
            (folder / "faults.json").write_text(fault)
        elif "vgg11" not in request:
            (folder / "blueprint.json").write_text(request)
        return Drawing()


class Drawing:
    """A process that is done."""

    is_orphan = False

    async def wait(self) -> None:
        return

    def send(self, number: signal.Signals) -> None:
        return

    def close(self) -> None:
        return
