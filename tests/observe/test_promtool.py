"""promtool finds nothing wrong, and its tests leave no alert out."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.observe import expressions
from tests.observe.expressions import PROMETHEUS
from tests.observe.prometheus import tool

README = PROMETHEUS / "README.md"
TESTS = sorted((PROMETHEUS / "tests").glob("*.yml"))


def promtool(*arguments: str | Path) -> str:
    """Run promtool; return what it prints.

    Raises:
        AssertionError: with that, where it found a fault.
    """
    found = subprocess.run(
        [tool("promtool"), *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    assert found.returncode == 0, found.stdout
    return found.stdout


def alert_tests(name: str) -> list[dict[str, Any]]:
    """Return what promtool's tests expect of an alert, moment by moment."""
    return [
        moment
        for path in TESTS
        for test in YAML(typ="safe").load(path)["tests"]
        for moment in test.get("alert_rule_test", [])
        if moment["alertname"] == name
    ]


def test_the_configuration_is_clean() -> None:
    printed = promtool("check", "config", PROMETHEUS / "prometheus.yml")

    assert "SUCCESS: 2 rule files found" in printed
    assert "WARNING" not in printed


def test_the_rules_are_clean(capsys: pytest.CaptureFixture[str]) -> None:
    printed = promtool("check", "rules", *sorted(expressions.RULES.glob("*.yml")))

    counts = [int(count) for count in re.findall(r"SUCCESS: (\d+) rules found", printed)]
    recorded = len(expressions.of_recording_rules()) // 2
    assert sorted(counts) == sorted([len(expressions.alerts()), recorded])
    with capsys.disabled():
        print(f"\n{recorded} recording rules and {len(expressions.alerts())} alerts checked")


def test_the_alerts_fire_and_do_not_as_they_should() -> None:
    assert "SUCCESS" in promtool("test", "rules", *TESTS)


def test_a_wrong_expectation_is_found(tmp_path: Path) -> None:
    text = TESTS[0].read_text().replace("../rules", str(expressions.RULES))
    wrong = tmp_path / "wrong.yml"
    wrong.write_text(text.replace("{severity: critical, job: ftd, instance: gone}", "{}"))

    with pytest.raises(AssertionError, match="FtdDown"):
        promtool("test", "rules", wrong)


@pytest.mark.parametrize("alert", expressions.alerts(), ids=lambda alert: alert.name)
def test_every_alert_is_made_to_fire_and_kept_from_it(alert: expressions.Alert) -> None:
    moments = alert_tests(alert.name)
    fires = [moment for moment in moments if moment.get("exp_alerts")]

    assert fires
    # Beside the series that fires, others look like it: as many alerts as are expected, no more.
    assert all(moment["exp_alerts"][0]["exp_annotations"] for moment in fires)
    assert series_of(alert.name) > len(fires[0]["exp_alerts"])


def series_of(name: str) -> int:
    """Return how many machines, devices, jobs or reasons the test of an alert has."""
    found: set[str] = set()
    for path in TESTS:
        for test in YAML(typ="safe").load(path)["tests"]:
            if any(moment["alertname"] == name for moment in test.get("alert_rule_test", [])):
                for series in test["input_series"]:
                    labels = dict(re.findall(r'(\w+)="([^"]*)"', series["series"]))
                    found.add(
                        str([labels.get(n) for n in ("instance", "device", "job_id", "reason")])
                    )
    return len(found)


@pytest.mark.parametrize("alert", expressions.alerts(), ids=lambda alert: alert.name)
def test_every_alert_says_what_it_is_and_what_to_do(alert: expressions.Alert) -> None:
    place, _, anchor = alert.annotations["runbook"].partition("#")
    headings = re.findall(r"^### (\w+)$", README.read_text(), re.MULTILINE)

    assert set(alert.annotations) == {"summary", "description", "runbook"}
    assert alert.labels in ({"severity": "critical"}, {"severity": "warning"})
    assert place == str(README.relative_to(expressions.CHECKOUT))
    assert anchor == alert.name.lower()
    assert alert.name in headings


def test_the_runbook_has_no_alert_that_is_gone() -> None:
    headings = re.findall(r"^### (\w+)$", README.read_text(), re.MULTILINE)

    assert sorted(headings) == sorted(alert.name for alert in expressions.alerts())
