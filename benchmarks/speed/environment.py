"""The peers' environment: made once per set of versions, in a cache beside the user's others.

Run as `python -m benchmarks.speed.environment`; prints its interpreter.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.table import CHECKOUT

PEERS = CHECKOUT / "benchmarks/peers"
REQUIREMENTS, CONSTRAINTS = PEERS / "requirements.txt", PEERS / "constraints.txt"
_STAMP = ".installed"


def cache() -> Path:
    """Return where environments and sets of images are kept from run to run."""
    beneath = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    found = Path(beneath) / "finetuned-bench"
    found.mkdir(parents=True, exist_ok=True)
    return found


def interpreter() -> Path:
    """Return the interpreter of the peers' environment, which is made where it is missing."""
    told = REQUIREMENTS.read_bytes() + CONSTRAINTS.read_bytes() + sys.version.encode()
    home = cache() / f"peers-{hashlib.sha256(told).hexdigest()[:12]}"
    if not (home / _STAMP).exists():
        print(f"installing the peers into {home}: a download of about 3 GB", file=sys.stderr)
        shutil.rmtree(home, ignore_errors=True)
        _make(home)
        (home / _STAMP).touch()
    return home / "bin/python"


def _make(home: Path) -> None:
    python = str(home / "bin/python")
    what = ["--constraint", str(CONSTRAINTS), "--requirement", str(REQUIREMENTS)]
    if uv := shutil.which("uv"):
        _run(uv, "venv", "--quiet", "--python", sys.executable, str(home))
        # Compiled, as ours is: else the peers' first start would compile torch.
        _run(uv, "pip", "install", "--compile-bytecode", "--python", python, *what)
    else:
        _run(sys.executable, "-m", "venv", str(home))
        _run(python, "-m", "pip", "install", *what)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, stdout=sys.stderr)


if __name__ == "__main__":
    print(interpreter())
