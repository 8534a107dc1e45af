"""The daemon at one moment: taken in the event loop, turned into text elsewhere."""

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import metadata
from pathlib import Path

from ftd.jobs.figures import JobFigures
from ftd.jobs.fleet import Standing
from ftd.metrics.sources import Sources
from ftd.metrics.tally import Counts, Tally, Worked
from ftd.release import version


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """What runs here."""

    version: str
    python: str
    torch: str
    """Empty where it is not installed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the daemon keeps its state."""

    state_dir: Path
    database: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All that a scrape tells, but what the disk and the kernel say."""

    build: Build
    place: Place
    counts: Counts
    worked: Sequence[Worked]
    """The jobs that hold devices, and those that ended lately."""
    standings: Sequence[Standing]
    is_zygote_up: bool
    watchers: int

    @property
    def holders(self) -> list[JobFigures]:
        """The jobs that hold devices."""
        return [each.figures for each in self.worked if not each.figures.job.state.is_terminal]


def build() -> Build:
    """Look up what is installed."""
    try:
        torch = metadata.version("torch")
    except metadata.PackageNotFoundError:
        torch = ""
    return Build(version=version(), python=platform.python_version(), torch=torch)


def take(build: Build, place: Place, tally: Tally, sources: Sources, now: datetime) -> Snapshot:
    """Return the daemon as it stands now. Changes nothing, waits for nothing."""
    return Snapshot(
        build=build,
        place=place,
        counts=tally.counts(),
        worked=tally.worked(sources.holders(), now),
        standings=tuple(sources.standings()),
        is_zygote_up=sources.is_zygote_up,
        watchers=sources.watchers,
    )
