"""Asks a Prometheus what a dashboard's panels ask."""

import json
import math
import re
import time
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_POINTS = 240
_ANSWER_S = 30.0
_ANY = {"instance": ".+", "device": ".+", "__rate_interval": "20s"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """A series over time."""

    name: str
    times: Sequence[float]
    """Seconds before now, rising to 0."""
    values: Sequence[float]
    """Not a number where there is none."""

    @property
    def last(self) -> float | None:
        """The last value that there is."""
        return next((value for value in reversed(self.values) if not math.isnan(value)), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A Prometheus, a time span that ends now, and what is chosen at the top of the dashboard."""

    url: str
    seconds: float
    chosen: Mapping[str, str] = field(default_factory=dict)
    now: float = field(default_factory=time.time)

    def curves(self, target: Mapping[str, Any]) -> list[Curve]:
        """Return what a query of a graph yields, sorted by name."""
        step = max(1.0, self.seconds / _POINTS)
        found = self._ask(
            "query_range", query=self.filled(target["expr"]),
            start=str(self.now - self.seconds), end=str(self.now), step=str(step),
        )  # fmt: skip
        curves = [self._curve(target, series, step) for series in found]
        return sorted(curves, key=lambda curve: curve.name)

    def samples(self, target: Mapping[str, Any]) -> list[tuple[dict[str, str], float]]:
        """Return the labels and values that a query of a table yields."""
        found = self._ask("query", query=self.filled(target["expr"]), time=str(self.now))
        return [(series["metric"], float(series["value"][1])) for series in found]

    def filled(self, text: str) -> str:
        """Return a text with the variables replaced."""
        known = {**_ANY, **self.chosen}
        return re.sub(r"\$(\w+)", lambda name: known[name[1]], text)

    def _curve(self, target: Mapping[str, Any], series: Mapping[str, Any], step: float) -> Curve:
        given = {round((at - self.now) / step): float(value) for at, value in series["values"]}
        count = round(self.seconds / step)
        labels = series["metric"]
        return Curve(
            name=re.sub(r"{{(\w+)}}", lambda name: labels.get(name[1], ""), target["legendFormat"]),
            times=[index * step for index in range(-count, 1)],
            values=[given.get(index, math.nan) for index in range(-count, 1)],
        )

    def _ask(self, what: str, **parameters: str) -> list[Any]:
        query = urllib.parse.urlencode(parameters)
        with urllib.request.urlopen(
            f"{self.url}/api/v1/{what}?{query}", timeout=_ANSWER_S
        ) as found:
            result: list[Any] = json.load(found)["data"]["result"]
            return result
