"""What all tests share: where the real material lies, and that CI may skip nothing."""

import os
import signal
import subprocess
from collections.abc import Generator
from pathlib import Path

import hypothesis
import pytest

if not os.environ.get("CI"):  # Which has a profile of Hypothesis' own.
    # A machine that is busy for a moment makes no example wrong.
    hypothesis.settings.register_profile("patient", deadline=None)
    hypothesis.settings.load_profile("patient")
CHECKOUT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session", autouse=True)
def _heed_ctrl_c() -> None:
    """Let the processes of tests end by SIGINT, also where a shell runs all this behind `&`.

    Such a shell has its children ignore the signal, and they hand that down.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _know_no_width() -> None:
    """Have what tests start ask its terminal how wide it is: pytest-xdist tells its workers."""
    for name in ("COLUMNS", "LINES"):
        os.environ.pop(name, None)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder with real photos and weights, or skip with the reason."""
    place = Path(os.environ.get("FINETUNED_TEST_DATA", CHECKOUT.parent / "shared"))
    if not (place / "data").is_dir():
        pytest.skip(f"no test material at {place}; set FINETUNED_TEST_DATA")
    return place


@pytest.fixture(scope="session")
def hymenoptera(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder with the real photos of ants and bees, unpacked once per session."""
    root = tmp_path_factory.mktemp("photos")
    archive = shared / "data" / "hymenoptera_data.tar"
    # Not tarfile: before 3.11.4 it has no filter, and later ones want one.
    subprocess.run(["tar", "-xf", archive, "-C", root], check=True)
    return root / "hymenoptera_data"


def _refuse_a_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turn a skip into a failure where all material and tools must be there."""
    if report.skipped and os.environ.get("CI"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"CI skips nothing; this needs what is missing here: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _refuse_a_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _refuse_a_skip(report)
    return report
