"""The plain wheel in a clean environment: small, quick, and without torch."""

import pytest

from benchmarks import thin


@pytest.mark.slow
def test_the_plain_wheel_is_small_and_quick_and_brings_no_torch() -> None:
    missed = [str(row) for row in thin.measure() if not row.holds]

    assert missed == []
