"""docs/recipes.md tells every key of a job file once, and what it means."""

import re

import pytest

from fttrain.spec.recipe import schema
from tests.house import reference


@pytest.fixture(scope="module")
def page() -> str:
    return reference.page(schema())


def test_the_page_is_fresh(page: str) -> None:
    assert reference.PAGE.read_text() == page


def test_every_link_to_a_map_leads_to_its_heading(page: str) -> None:
    headings = [reference.anchor(line[3:]) for line in page.splitlines() if line.startswith("## ")]
    links = re.findall(r"\]\(#([^)]*)\)", page)

    assert len(headings) == len(set(headings))
    assert links
    assert set(links) <= set(headings)


def test_a_map_that_many_keys_take_is_told_once(page: str) -> None:
    # The learning rate's map: all optimizers take it, once more below sam.base, and groups.
    assert page.count("| `at_batch` |") == 1
    assert page.count("[map](#trainoptimizersgdlr)") == 7
    assert "## train.optimizer.sam.base" not in page
    assert "| `base` | one of [`sgd`](#trainoptimizersgd), [`adam`](#trainoptimizeradam)," in page


def test_every_map_of_the_schema_is_told(page: str) -> None:
    maps = [one for one in schema()["$defs"].values() if one.get("properties")]

    told = re.findall(r"\n## \S+\n\n(.+)\n\n\|", page)
    assert {" ".join(one["description"].split()) for one in maps} <= set(told)


def test_every_key_has_a_meaning(page: str) -> None:
    rows = [line for line in page.splitlines() if re.match(r"\| `[a-z_0-9]+` \|", line)]

    assert len(rows) > 200
    assert [row for row in rows if re.search(r"\|\s*\|$", row)] == []
