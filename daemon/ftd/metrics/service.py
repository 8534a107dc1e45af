"""Opens all of it: the endpoint that Prometheus reads, the files that dcgm-exporter reads."""

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from ftd.metrics import endpoint, mapping, snapshot
from ftd.metrics.endpoint import Address
from ftd.metrics.snapshot import Place
from ftd.metrics.sources import Sources
from ftd.metrics.tally import Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What is configured of metrics."""

    listen: str | None
    """Such as `127.0.0.1:9400`; None: nowhere."""
    mapping_dir: Path | None
    """Where dcgm-exporter looks for jobs; None: nowhere."""


@contextlib.asynccontextmanager
async def working(
    settings: Settings,
    place: Place,
    tally: Tally,
    sources: Sources,
    clock: Callable[[], datetime],
) -> AsyncIterator[Address | None]:
    """Tell of the daemon inside the block; yield where, if anywhere.

    Raises:
        BadConfig: where it cannot listen or write there.
    """
    tally.figures = sources.figures
    build = snapshot.build()
    async with contextlib.AsyncExitStack() as stack:
        if settings.mapping_dir is not None:
            await stack.enter_async_context(mapping.kept(settings.mapping_dir, sources.standings))
        if settings.listen is None:
            yield None
            return
        take = partial(snapshot.take, build, place, tally, sources)
        where = endpoint.address(settings.listen)
        yield await stack.enter_async_context(endpoint.serving(where, lambda: take(clock())))
