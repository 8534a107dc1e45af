"""OpenMP hears what it is told, where it is told in time."""

import os
import subprocess
import sys

import pytest

TELL = "import os; os.environ['OMP_DISPLAY_ENV'] = 'verbose'; from fttrain import openmp; "


@pytest.mark.parametrize(
    ("code", "spins"), [("openmp.settle(); import torch", True), ("import torch", False)]
)
def test_waiting_threads_sleep_soon(code: str, spins: bool) -> None:
    environment = {name: text for name, text in os.environ.items() if name != "GOMP_SPINCOUNT"}
    done = subprocess.run(
        [sys.executable, "-c", TELL + code],
        capture_output=True, text=True, check=True, env=environment,
    )  # fmt: skip
    assert ("GOMP_SPINCOUNT = '1000'" in done.stderr) == spins
