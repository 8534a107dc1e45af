"""What stands in the catalogue is told, all of it and nothing else, by Prometheus's own rules."""

import math
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as openmetrics_families,
)
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import CollectorRegistry

from ftd.metrics.catalogue import METRICS, Kind, Metric
from ftd.metrics.collector import SnapshotCollector
from tests.fakes import metrics

IN_TEXT = {Kind.INFO: "gauge"}
BY_NAME = {metric.name: metric for metric in METRICS}


def family_name(metric: Metric) -> str:
    return metric.name.removesuffix("_total") if metric.kind is Kind.COUNTER else metric.name


@pytest.fixture
def told(tmp_path: Path) -> str:
    return metrics.text(metrics.taken(*metrics.busy(tmp_path), tmp_path))


def test_every_row_is_told_and_nothing_else(told: str) -> None:
    families = list(text_string_to_metric_families(told))

    assert [family.name for family in families] == [family_name(each) for each in METRICS]
    assert [family.name for family in families if not family.samples] == []


def test_kind_labels_and_meaning_are_those_of_the_catalogue(told: str) -> None:
    for metric, family in zip(METRICS, text_string_to_metric_families(told), strict=True):
        assert family.type == IN_TEXT.get(metric.kind, metric.kind), metric.name
        assert family.documentation == metric.help
        labels = {name for sample in family.samples for name in sample.labels}
        assert labels - {"le"} == set(metric.labels), metric.name


def test_each_series_is_told_once_and_is_a_number(told: str) -> None:
    samples = [
        sample for family in text_string_to_metric_families(told) for sample in family.samples
    ]
    keys = [(sample.name, tuple(sorted(sample.labels.items()))) for sample in samples]

    assert len(set(keys)) == len(keys)
    assert [sample for sample in samples if not math.isfinite(sample.value)] == []


def test_openmetrics_tells_the_same_with_units(tmp_path: Path) -> None:
    registry = CollectorRegistry()
    registry.register(SnapshotCollector(metrics.taken(*metrics.busy(tmp_path), tmp_path)))

    text = openmetrics.generate_latest(registry, "1.0.0").decode()  # type: ignore[no-untyped-call]

    families = list(openmetrics_families(text))  # type: ignore[no-untyped-call]
    names = [each.name.removesuffix("_total").removesuffix("_info") for each in METRICS]
    assert [family.name for family in families] == names
    units = {family.name: family.unit for family in families if family.name.startswith("ftd_")}
    assert units == {
        name: metric.unit
        for name, metric in zip(names, METRICS, strict=True)
        if name.startswith("ftd_")
    }


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_a_name_says_kind_and_unit(metric: Metric) -> None:
    bare = family_name(metric)
    assert metric.name.startswith(("ftd_", "grpc_server_", "process_"))
    assert metric.name.endswith("_total") == (metric.kind is Kind.COUNTER and bare != metric.name)
    assert metric.name.endswith("_info") == (metric.kind is Kind.INFO)
    if metric.unit and not metric.name.startswith("process_cpu"):
        assert bare.endswith(f"_{metric.unit}")
    assert metric.help.endswith(".")


def test_no_label_is_one_that_prometheus_sets_itself() -> None:
    taken = {"job", "instance", "le", "quantile", "__name__"}

    assert [each.name for each in METRICS if taken & set(each.labels)] == []


def test_only_jobs_and_devices_make_series_without_a_bound_of_their_own() -> None:
    closed = {
        "version", "python", "torch", "state", "reason", "warm", "split", "kind", "xid",
        "grpc_type", "grpc_service", "grpc_method", "grpc_code",
    }  # fmt: skip
    told_of_one = {"job_id", "name", "model", "device", "uuid"}

    assert {label for each in METRICS for label in each.labels} == closed | told_of_one


def test_text_of_a_user_cannot_break_out_of_a_label(tmp_path: Path) -> None:
    tally, sources = metrics.busy(tmp_path)
    evil = 'a"} 1\nftd_evil 1 #\\'
    standing = metrics.standing(7)
    sources.devices = [metrics.standing(7, device=replace(standing.device, name=evil))]

    (line,) = metrics.values(
        metrics.lines(metrics.taken(tally, sources, tmp_path)), "ftd_device_info"
    )

    assert evil in line


def test_promtool_finds_nothing_to_say(told: str) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed; on Debian and Ubuntu: apt install prometheus")
    checked = subprocess.run(
        [promtool, "check", "metrics"],
        input=told, text=True, capture_output=True, env={**os.environ, "HOME": "/"}, timeout=60,
    )  # fmt: skip

    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
