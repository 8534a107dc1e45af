"""What the tests of chaos share: their seed, and where their figures go."""

import pytest

from tests.chaos.figures import Figures, seed_of_this_run


@pytest.fixture
def seed() -> int:
    """The seed of all that is drawn: FT_CHAOS_SEED, printed where a test fails."""
    drawn = seed_of_this_run()
    print(f"FT_CHAOS_SEED={drawn}")
    return drawn


@pytest.fixture
def figures() -> Figures:
    """Takes the figures of a full form, for the table of `make chaos`."""
    return Figures()
