"""Draw what the command looks like on terminals into docs/pictures.

`ftctl top` and `ftctl devices` show a scripted machine, `ftctl submit --watch` a recorded job.
Run as `python -m tests.pictures`; with `--check` it only says whether they are fresh.
"""

import io
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

from ftctl import devicewire, wire
from ftctl.view import console, devices, top
from ftctl.view.live import LiveView
from tests.fakes import fleet, recorded

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "pictures"
# Columns and lines of the terminals.
SIZES = ((80, 24), (160, 40))


def main(arguments: Sequence[str]) -> int:
    """Write the pictures, or compare them; return 1 where one is stale."""
    stale = [name for name, svg in pictures().items() if _read(FOLDER / name) != svg]
    if "--check" in arguments:
        for name in stale:
            print(f"docs/pictures/{name} is stale: python -m tests.pictures", file=sys.stderr)
        return 1 if stale else 0
    FOLDER.mkdir(exist_ok=True)
    for name, svg in pictures().items():
        (FOLDER / name).write_text(svg)
    return 0


def pictures() -> dict[str, str]:
    """Return every picture by the name of its file."""
    machine = [devicewire.device(item) for item in fleet.devices()]
    jobs = [wire.job(item) for item in [*fleet.running(), *fleet.queue(40)]]
    seen = top.Snapshot.of(machine, jobs, time=fleet.NOW)
    drawn = {}
    for width, height in SIZES:
        out = _terminal(width)
        frame = top.frame(seen, top.Page(width=width, height=height))
        drawn[f"top-{width}.svg"] = _svg(frame, out, "ftctl top")
        out = _terminal(width)
        drawn[f"devices-{width}.svg"] = _svg(devices.lines(machine, out), out, "ftctl devices")
        drawn[f"live-{width}.svg"] = _live(_terminal(width))
    return drawn


def _live(out: Console) -> str:
    """Draw a job as it trains: what has come to stay, and below it what moves."""
    job, events = recorded.job()
    view = LiveView(name=job.name, job_id=job.id, recipe=job.recipe, console=out)
    out.print(view.title)
    for event in events:
        view.show(event)
    out.print(view.footer())
    return _svg([], out, f"ftctl submit {job.name}.yaml --watch")


def _terminal(width: int) -> Console:
    return Console(
        record=True, file=io.StringIO(), width=width, force_terminal=True, legacy_windows=False,
        color_system="truecolor", theme=console._THEME, highlight=False, markup=False, emoji=False,
    )  # fmt: skip


def _svg(lines: Iterable[Text], out: Console, title: str) -> str:
    console.show(out, lines)
    svg = out.export_svg(title=title, theme=MONOKAI, unique_id="ftctl")
    # A page should load nothing from elsewhere: the reader's own typewriter face will do.
    svg = re.sub(r"<!--.*?-->\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    # Some drawers leave out spaces at the start of a text, even those that may not be broken.
    svg = svg.replace("<svg ", '<svg xml:space="preserve" ', 1)
    return re.sub(r"[ \t]+\n", "\n", svg.replace("Fira Code", "DejaVu Sans Mono"))


def _read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
