"""The table of what reports had wrong cannot rot: every fault is there, and so is its test."""

from dataclasses import replace

import pytest

from tests.house import blunders, cases
from tests.house.blunders import BLUNDERS


def test_each_of_eleven_faults_has_its_test_or_a_fate_that_needs_none() -> None:
    assert list(BLUNDERS) == list(range(1, 12))
    assert {each.fate for each in BLUNDERS.values()} == {
        "impossible", "refused", "reported", "absent",
    }  # fmt: skip
    assert [number for number, each in BLUNDERS.items() if not each.test] == [9]
    assert all(each.test.startswith(f"test_b{n}_") for n, each in BLUNDERS.items() if each.test)
    assert cases.faults() == []


@pytest.mark.parametrize("change", [{"test": "test_b1_nothing"}, {"test": ""}])
def test_a_fault_without_its_test_is_found(
    monkeypatch: pytest.MonkeyPatch, change: dict[str, str]
) -> None:
    monkeypatch.setitem(BLUNDERS, 1, replace(BLUNDERS[1], **change))

    assert cases.faults() == [f"B1: no test {change['test']}"]


def test_the_page_has_the_table() -> None:
    page = cases.PAGE.read_text()

    assert cases.blunder_table() in page
    assert page.count(f"(../{blunders.FILE})") == 10
