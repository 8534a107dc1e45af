"""Write the dashboards that Grafana loads.

Run as `python -m deploy.grafana.generate`; with `--check` it only says whether they are fresh.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from deploy.grafana.generate import fleet, job

FOLDER = Path(__file__).resolve().parent.parent / "dashboards"


def main(arguments: list[str], folder: Path = FOLDER) -> int:
    """Write the dashboards, or check them; return 1 where one is stale."""
    texts = dashboards()
    if "--check" not in arguments:
        for name, text in texts.items():
            (folder / name).write_text(text)
        return 0
    stale = [name for name, text in texts.items() if not _is(folder / name, text)]
    for name in stale:
        print(f"deploy/grafana/dashboards/{name} is stale: make dashboards", file=sys.stderr)
    if not stale:
        print("dashboards: fresh")
    return 1 if stale else 0


def dashboards() -> Mapping[str, str]:
    """Return the dashboards as JSON, by the names of their files."""
    built = {"fleet.json": fleet.dashboard(), "job.json": job.dashboard()}
    return {
        name: json.dumps(dashboard.build(), cls=JSONEncoder, sort_keys=True, indent=2) + "\n"
        for name, dashboard in built.items()
    }


def _is(path: Path, text: str) -> bool:
    return path.exists() and path.read_text() == text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
