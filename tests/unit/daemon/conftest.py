"""A store of its own for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ftd.jobs.store import Store


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with await Store.open(tmp_path / "ftd.sqlite") as store:
        yield store
