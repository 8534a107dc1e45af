"""One daemon for the tests of a module."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.e2e.serving import Serving, serving
from tests.photos import make_photo_folder


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def daemon(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Serving]:
    """A running daemon that all tests of a module share."""
    async with serving(tmp_path_factory.mktemp("daemon") / "state") as running:
        yield running


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small photos of two classes: 48 to train on, 24 to validate on."""
    root = tmp_path_factory.mktemp("shapes")
    return make_photo_folder(root, per_class=24, size=(64, 48), val_per_class=12)
