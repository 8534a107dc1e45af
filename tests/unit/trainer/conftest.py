"""What all tests of the engine share."""

import multiprocessing
from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Keep to one thread: nets are tiny here, and others may use the other cores.

    A worker that runs within the test's own process settles torch for itself.
    """
    torch.set_num_threads(1)
    yield
    torch.use_deterministic_algorithms(False)


@pytest.fixture(autouse=True)
def _leave_no_process() -> Iterator[None]:
    """Find who leaves a process behind: a later test would count it as its own."""
    before = {*multiprocessing.active_children()}
    yield
    assert {*multiprocessing.active_children()} == before


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep this process as eager as it is, and its devices."""
    monkeypatch.setattr("os.nice", lambda steps: 0)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
