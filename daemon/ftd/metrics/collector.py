"""Turns a snapshot into the families that prometheus_client writes as text."""

from collections.abc import Iterable

from prometheus_client import ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from ftd.metrics.catalogue import Kind, Metric
from ftd.metrics.histogram import Distribution
from ftd.metrics.series import READERS, Series
from ftd.metrics.snapshot import Snapshot


class SnapshotCollector(Collector):
    """Tells of one snapshot. Looks at the disk and at this process: not for the event loop."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterable[Family]:
        """Yield the family of every metric, in the order of the catalogue."""
        for metric, series in READERS.items():
            yield _family(metric, series(self._snapshot))
        yield from ProcessCollector(registry=None).collect()


def _family(metric: Metric, series: Series) -> Family:
    match metric.kind:
        case Kind.HISTOGRAM:
            return _histograms(metric, series)
        case Kind.INFO:
            return _infos(metric, series)
        case Kind.COUNTER:
            family: CounterMetricFamily | GaugeMetricFamily = CounterMetricFamily(
                metric.name, metric.help, labels=metric.labels, unit=metric.unit
            )
        case Kind.GAUGE:
            family = GaugeMetricFamily(
                metric.name, metric.help, labels=metric.labels, unit=metric.unit
            )
    for labels, value in series:
        assert not isinstance(value, Distribution)
        family.add_metric(labels, value)
    return family


def _infos(metric: Metric, series: Series) -> Family:
    family = InfoMetricFamily(metric.name.removesuffix("_info"), metric.help)
    for labels, _ in series:
        family.add_metric((), dict(zip(metric.labels, labels, strict=True)))
    return family


def _histograms(metric: Metric, series: Series) -> Family:
    family = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels, unit=metric.unit)
    for labels, value in series:
        assert isinstance(value, Distribution)
        family.add_metric(labels, buckets=list(value.cumulative()), sum_value=value.sum)
    return family
