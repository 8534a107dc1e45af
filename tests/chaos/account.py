"""The figures that full forms of chaos came to, kept in docs/chaos.json: the last of each run."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.chaos.figures import Figure

CHECKOUT = Path(__file__).resolve().parents[2]
FILE = CHECKOUT / "docs/chaos.json"
Told = tuple[str, Mapping[str, Figure]]


def keep(runs: Sequence[Told], *, seed: str) -> None:
    """Keep what runs came to in place of what the same ones did before."""
    account = _read()
    day = datetime.now(UTC).date().isoformat()
    for what, figures in runs:
        account[what] = {"day": day, "seed": seed, "figures": dict(figures)}
    FILE.write_text(json.dumps(dict(sorted(account.items())), indent=1) + "\n")


def table() -> str:
    """Return all that is kept as a table in Markdown."""
    lines = ["| what | figures | seed | day |", "|---|---|---|---|"]
    for what, told in _read().items():
        shown = ", ".join(_figures(told["figures"]))
        lines.append(f"| {what} | {shown} | {told['seed']} | {told['day']} |")
    return "\n".join(lines) + "\n"


def _read() -> dict[str, dict[str, Any]]:
    return dict(json.loads(FILE.read_text())) if FILE.exists() else {}


def _figures(figures: Mapping[str, Figure]) -> Iterator[str]:
    for name, value in figures.items():
        yield f"{name.replace('_', ' ')} {_shown(value)}"


def _shown(value: Figure) -> str:
    if isinstance(value, str):
        return value
    return f"{value:,.2f}" if isinstance(value, float) else f"{value:,}"
