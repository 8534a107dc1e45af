"""The figures of chaos: each full form tells its own, `python -m tests.chaos` shows them all."""

import json
import os
from pathlib import Path

SEED = "FT_CHAOS_SEED"
FILE = "FT_CHAOS_FIGURES"
"""Names the file that figures are added to."""
_DEFAULT_SEED = 6

Figure = int | float | str


def seed_of_this_run() -> int:
    """Return the seed that the environment sets, or always the same."""
    return int(os.environ.get(SEED, _DEFAULT_SEED))


class Figures:
    """Takes what a run came to."""

    def tell(self, what: str, **figures: Figure) -> None:
        """Print the figures of a run, and keep them where somebody gathers them."""
        print(line(what, figures))
        if place := os.environ.get(FILE):
            with Path(place).open("a") as file:
                file.write(json.dumps({"what": what, "figures": figures}) + "\n")


def read(file: Path) -> list[tuple[str, dict[str, Figure]]]:
    """Return all that was told, in order."""
    told = [json.loads(text) for text in file.read_text().splitlines()]
    return [(each["what"], each["figures"]) for each in told]


def line(what: str, figures: dict[str, Figure]) -> str:
    """Return the figures of a run as a line."""
    told = ", ".join(f"{name} {_shown(value)}" for name, value in figures.items())
    return f"{what}: {told}"


def _shown(value: Figure) -> str:
    return f"{value:,.1f}" if isinstance(value, float) else f"{value}"
