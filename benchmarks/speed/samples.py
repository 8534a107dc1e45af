"""What one run of one contestant came to, and the file in which all are kept as they come."""

import datetime
import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One run."""

    version: str = ""
    workers: int = 0
    precision: str = ""
    """Computed in, and whether features were cached: by this job, or `cached before` it."""
    layout: str = ""
    images: int = 0
    """Trained on in an epoch."""
    epochs_s: list[float] = field(default_factory=list)
    """Each epoch, evaluation included."""
    correct: list[int] = field(default_factory=list)
    """Of the validation images, after each epoch."""
    count: int = 0
    """Validation images."""
    whole_s: float
    """From exec or submission to the end."""
    peak_mb: float = 0.0
    """PSS of the whole process tree at its peak, seen twice a second."""
    cpu_s: float = 0.0
    """Processor time of the processes that trained."""

    def whole_of(self, epochs: int) -> float:
        """Return what a run of so many epochs takes, extrapolated where it had fewer."""
        missing = max(epochs - len(self.epochs_s), 0)
        return self.whole_s + (missing * statistics.median(self.epochs_s) if missing else 0.0)

    def best(self, epochs: int) -> int:
        """Return the most correct validation images after any of the first epochs."""
        return max(self.correct[:epochs])


class Kept:
    """The samples of a session, in a file that is written after each."""

    def __init__(self, path: Path, about: dict[str, Any]) -> None:
        """Go on with what the file has, if it is about the same."""
        self._path = path
        self.about = about
        self.date = ""
        self.probes: dict[str, float] = {}
        self.whole: list[str] = []
        """Contests in which all turns have been taken."""
        self._samples: dict[str, dict[str, list[dict[str, Any]]]] = {}
        known = json.loads(path.read_text()) if path.exists() else {}
        if known.get("about") == about:
            self.date, self.probes = known["date"], known["probes"]
            self._samples, self.whole = known["samples"], known["whole"]

    def of(self, contest: str, contestant: str) -> list[Sample]:
        """Return the samples of a contestant, in order."""
        return [Sample(**each) for each in self._samples.get(contest, {}).get(contestant, [])]

    def contestants(self, contest: str) -> Sequence[str]:
        """Return who has samples."""
        return list(self._samples.get(contest, {}))

    def add(self, contest: str, contestant: str, sample: Sample) -> None:
        """Keep one more."""
        self._samples.setdefault(contest, {}).setdefault(contestant, []).append(asdict(sample))
        self._write()

    def probed(self, probes: dict[str, float]) -> None:
        """Keep what the probes say."""
        self.probes = probes
        self._write()

    def ended(self, contest: str) -> None:
        """Note that a contest is over."""
        self.whole.append(contest)
        self._write()

    def drop(self, contest: str) -> None:
        """Forget a contest."""
        self._samples.pop(contest, None)
        self.whole.remove(contest)
        self._write()

    def _write(self) -> None:
        self.date = str(datetime.datetime.now(tz=datetime.UTC).date())
        self._path.parent.mkdir(parents=True, exist_ok=True)
        aside = self._path.with_suffix(".new")
        told = {
            "about": self.about, "date": self.date, "probes": self.probes,
            "whole": self.whole, "samples": self._samples,
        }  # fmt: skip
        aside.write_text(json.dumps(told, indent=1) + "\n")
        aside.replace(self._path)
