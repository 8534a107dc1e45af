"""Run the full forms of all chaos, print what they came to, and keep it for docs/reliability.md.

`python -m tests.chaos [PYTEST ARGUMENTS]`: `-k daemon` runs some of them. FT_CHAOS_SEED sets the
seed. The exit code is that of pytest.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from tests.chaos import account
from tests.chaos.figures import FILE, SEED, Figure, read, seed_of_this_run

HERE = Path(__file__).parent


def main(arguments: Sequence[str]) -> int:
    """Run them one after the other; return the exit code."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="ft-chaos-") as folder:
        file = Path(folder) / "figures.jsonl"
        file.touch()
        seed = str(seed_of_this_run())
        command = [sys.executable, "-m", "pytest", "-m", "chaos and not gpu", str(HERE), *arguments]
        environment = {**os.environ, FILE: str(file), SEED: seed}
        done = subprocess.run(command, env=environment, check=False)
        console = Console(highlight=False)
        console.print(_table(runs := read(file)), soft_wrap=True)
        account.keep(runs, seed=seed)
    console.print(f"seed {seed}, {time.monotonic() - began:.0f} s in all")
    return done.returncode


def _table(runs: Sequence[tuple[str, dict[str, Figure]]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title="Chaos", title_justify="left", pad_edge=False)
    table.add_column("what", overflow="fold")
    table.add_column("figure")
    table.add_column("value", justify="right")
    for what, figures in runs:
        for name, value in figures.items():
            shown = f"{value:,.1f}" if isinstance(value, float) else f"{value}"
            table.add_row(what, name.replace("_", " "), shown)
            what = ""
    return table


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
