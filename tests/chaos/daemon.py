"""`ftd serve` on a machine of chaos: `python -m tests.chaos.daemon`, told by its environment."""

import asyncio
import os
import sys
from datetime import UTC, datetime
from functools import partial

from ftd.config import load
from ftd.server import serve, supervisor
from tests.chaos import seams

# It finds this package by PYTHONPATH.
ZYGOTE = (sys.executable, "-P", "-m", "tests.chaos.zygote")


def main() -> None:
    """Serve until a signal comes."""
    now = seams.apply()
    office = partial(supervisor, clock=lambda: datetime.fromtimestamp(now(), UTC), zygote=ZYGOTE)
    asyncio.run(serve(load({}, os.environ), open_office=office))


if __name__ == "__main__":
    main()
