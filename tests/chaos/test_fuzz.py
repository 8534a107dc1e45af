"""Requests of every kind, sound, odd and broken: each gets an answer that the API promises."""

from pathlib import Path

import pytest

from tests.chaos import fuzz
from tests.chaos.figures import Figures

SHORT = 2000


@pytest.mark.timeout(300)
async def test_no_request_ends_or_baffles_the_daemon(tmp_path: Path, seed: int) -> None:
    fuzzed = await fuzz.fuzz(tmp_path, count=SHORT, seed=seed)

    assert fuzzed.faults == []
    assert fuzzed.count == SHORT
    assert fuzzed.answers["OK"] > SHORT / 20


@pytest.mark.chaos
@pytest.mark.timeout(7200)
async def test_100000_requests_neither_baffle_the_daemon_nor_fill_it(
    tmp_path: Path, seed: int, figures: Figures
) -> None:
    fuzzed = await fuzz.fuzz(tmp_path, count=fuzz.COUNT, seed=seed)

    figures.tell(
        f"{fuzzed.count:,} requests",
        answers_of_a_kind=len(fuzzed.answers),
        faults=len(fuzzed.faults),
        slope_MiB_per_10_000=fuzzed.slope_bytes() / 2**20,
        seconds=fuzzed.seconds,
    )
    assert fuzzed.faults == []
    assert fuzzed.slope_bytes() <= fuzz.MOST_SLOPE_BYTES
