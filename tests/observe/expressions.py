"""Every expression that the committed dashboards, rules and alerts send to a Prometheus."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

CHECKOUT = Path(__file__).resolve().parent.parent.parent
PROMETHEUS = CHECKOUT / "deploy" / "prometheus"
DASHBOARDS = sorted((CHECKOUT / "deploy" / "grafana" / "dashboards").glob("*.json"))
RULES = PROMETHEUS / "rules"
_LONG_S = 30.0
_LABEL_VALUES = re.compile(r"label_values\((?P<selector>.+), (?P<label>\w+)\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Expression:
    """An expression, and who asks it."""

    where: str
    text: str

    def __str__(self) -> str:
        return f"{self.where}: {self.text}"

    def filled(self, values: Mapping[str, str]) -> str:
        """Return it with the dashboard's variables replaced."""
        text = re.sub(r"\$(\w+)", lambda found: values[found[1]], self.text)
        assert "$" not in text
        return text


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """An alert as it is committed."""

    name: str
    expression: Expression
    for_s: float
    labels: Mapping[str, str]
    annotations: Mapping[str, str]

    @property
    def is_slow(self) -> bool:
        """Whether it takes longer to fire than a test may wait."""
        return self.for_s > _LONG_S


def dashboard(path: Path) -> dict[str, Any]:
    """Return a dashboard as Grafana reads it."""
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def panels(page: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the panels of a dashboard, rows left out."""
    return (panel for panel in page["panels"] if panel["type"] != "row")


def of_dashboards() -> list[Expression]:
    """Return the expressions of panels and annotations."""
    found = []
    for path in DASHBOARDS:
        page = dashboard(path)
        for panel in panels(page):
            where = f"{path.name}, {panel['title']}"
            found += [Expression(where=where, text=t["expr"]) for t in panel["targets"]]
        for note in page.get("annotations", {}).get("list", []):
            found.append(
                Expression(where=f"{path.name}, annotation {note['name']}", text=note["expr"])
            )
    return found


def of_variables() -> list[tuple[Expression, str]]:
    """Return the selectors of the variables, each with the label whose values it lists."""
    found = []
    for path in DASHBOARDS:
        for variable in dashboard(path)["templating"]["list"]:
            if variable["type"] == "query":
                query = _LABEL_VALUES.fullmatch(variable["query"]["query"])
                assert query, variable
                where = f"{path.name}, variable {variable['name']}"
                found.append((Expression(where=where, text=query["selector"]), query["label"]))
    return found


def of_recording_rules() -> list[Expression]:
    """Return the expressions of the recording rules and, to see them stored, their names."""
    found = []
    for rule in _rules("recording.yml"):
        where = f"recording.yml, {rule['record']}"
        found.append(Expression(where=where, text=rule["expr"]))
        found.append(Expression(where=f"{where}, stored", text=rule["record"]))
    return found


def alerts() -> list[Alert]:
    """Return the alerts."""
    return [
        Alert(
            name=rule["alert"],
            expression=Expression(where=f"alerts.yml, {rule['alert']}", text=rule["expr"]),
            for_s=_seconds(rule.get("for", "0s")),
            labels=rule["labels"],
            annotations=rule["annotations"],
        )
        for rule in _rules("alerts.yml")
    ]


def _rules(name: str) -> Iterator[dict[str, Any]]:
    for group in YAML(typ="safe").load(RULES / name)["groups"]:
        yield from group["rules"]


def _seconds(text: str) -> float:
    units = {"s": 1, "m": 60, "h": 3600}
    return float(text[:-1]) * units[text[-1]]
