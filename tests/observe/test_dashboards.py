"""The committed dashboards are what the code makes, and tell what they show."""

from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from deploy.grafana.generate import __main__ as generate
from tests.observe import expressions

GRAFANA = expressions.CHECKOUT / "deploy" / "grafana"
PAGES = {path.stem: expressions.dashboard(path) for path in expressions.DASHBOARDS}
PANELS = [
    pytest.param(panel, id=f"{name}: {panel['title']}")
    for name, page in PAGES.items()
    for panel in expressions.panels(page)
]
WIDTH = 24


def test_the_dashboards_are_fresh(capsys: pytest.CaptureFixture[str]) -> None:
    assert generate.main(["--check"]) == 0
    assert capsys.readouterr().out == "dashboards: fresh\n"


def test_a_stale_dashboard_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    generate.main([], tmp_path)
    (tmp_path / "job.json").write_text("{}")

    assert generate.main(["--check"], tmp_path) == 1
    assert capsys.readouterr().err == (
        "deploy/grafana/dashboards/job.json is stale: make dashboards\n"
    )


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_says_what_it_shows_in_what_unit_from_where(panel: dict[str, Any]) -> None:
    assert panel["title"]
    assert panel["description"].endswith(".")
    assert panel["targets"]
    assert {target["datasource"]["uid"] for target in panel["targets"]} == {"${datasource}"}
    assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
    if panel["type"] in {"stat", "timeseries"}:
        assert panel["fieldConfig"]["defaults"]["unit"]


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_panels_fill_the_width_and_do_not_overlap(page: dict[str, Any]) -> None:
    places = [panel["gridPos"] for panel in page["panels"]]

    widths: dict[int, int] = {}
    for place in places:
        widths[place["y"]] = widths.get(place["y"], 0) + place["w"]
    assert set(widths.values()) == {WIDTH}
    assert [pair for pair in combinations(places, 2) if overlap(*pair)] == []


def overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    """Whether two places in the grid have something in common."""
    return all(
        one[edge] < other[edge] + other[size] and other[edge] < one[edge] + one[size]
        for edge, size in (("x", "w"), ("y", "h"))
    )


def test_the_fleet_leads_to_a_job_and_back() -> None:
    (jobs,) = [
        panel for panel in expressions.panels(PAGES["fleet"]) if panel["title"] == "Jobs on devices"
    ]
    (link,) = [
        prop["value"][0]["url"]
        for override in jobs["fieldConfig"]["overrides"]
        for prop in override["properties"]
        if prop["id"] == "links"
    ]
    asked = {variable["name"] for variable in PAGES["job"]["templating"]["list"]}

    assert link.startswith(f"/d/{PAGES['job']['uid']}?")
    assert all(f"var-{name}=" in link for name in asked)
    assert PAGES["job"]["links"][0]["url"].startswith(f"/d/{PAGES['fleet']['uid']}?")


def test_grafana_is_told_where_the_dashboards_and_prometheus_are() -> None:
    yaml = YAML(typ="safe")
    (provider,) = yaml.load(GRAFANA / "provisioning/dashboards/finetuned.yaml")["providers"]
    (source,) = yaml.load(GRAFANA / "provisioning/datasources/finetuned.yaml")["datasources"]
    compose = yaml.load(expressions.CHECKOUT / "deploy/docker/compose.yaml")["services"]["grafana"]

    assert f"../grafana/dashboards:{provider['options']['path']}:ro" in compose["volumes"]
    assert "../grafana/provisioning:/etc/grafana/provisioning:ro" in compose["volumes"]
    assert source["url"].removeprefix("$") in compose["environment"]
