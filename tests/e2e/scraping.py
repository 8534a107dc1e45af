"""Reads a daemon's metrics as Prometheus does."""

import asyncio
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

Labels = frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scrape:
    """What was read at once."""

    values: Mapping[tuple[str, Labels], float]
    """By name and labels."""
    kinds: Mapping[str, str]
    """Of each name: gauge, counter, histogram, or unknown."""

    def value(self, name: str, **labels: str) -> float:
        """Return the one value of a series that is there."""
        return self.values[name, frozenset(labels.items())]

    def of(self, **labels: str) -> dict[str, float]:
        """Return the names and values of all series that have these labels, others or not."""
        wanted = labels.items()
        return {name: value for (name, has), value in self.values.items() if wanted <= has}

    def cumulative(self) -> dict[tuple[str, Labels], float]:
        """Return what only events can change: all counters and histograms but of the process."""
        return {
            series: value
            for series, value in self.values.items()
            if self.kinds[series[0]] in ("counter", "histogram")
            and not series[0].startswith("process_")
        }


async def scrape(port: int) -> Scrape:
    """Read the metrics once."""
    text = await asyncio.to_thread(_read, f"http://127.0.0.1:{port}/metrics")
    values, kinds = {}, {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            values[sample.name, frozenset(sample.labels.items())] = sample.value
            kinds[sample.name] = family.type
    return Scrape(values=values, kinds=kinds)


def _read(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        text: bytes = answer.read()
        return text.decode()
