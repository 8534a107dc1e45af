"""What all tests share: where the real material lies."""

import os
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder with real photos and weights, or skip with the reason."""
    place = Path(os.environ.get("FINETUNED_TEST_DATA", CHECKOUT.parent / "shared"))
    if not (place / "data").is_dir():
        pytest.skip(f"no test material at {place}; set FINETUNED_TEST_DATA")
    return place
