"""A skipped test is a failure in CI, and only there."""

from pathlib import Path

import pytest

CONFTEST = Path(__file__).resolve().parent.parent / "conftest.py"
pytest_plugins = ["pytester"]


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    """Return a folder with this project's conftest, a test that skips and a file that does."""
    pytester.makeconftest(CONFTEST.read_text())
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function")
    pytester.makepyfile(
        test_one="import pytest\ndef test_photos(shared): pass\ndef test_plain(): pass",
        test_two="import pytest\npytest.importorskip('no_such_tool')",
    )
    return pytester


def test_a_user_sees_the_reason_of_a_skip(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("FINETUNED_TEST_DATA", "/nowhere")

    result = suite.runpytest_inprocess("-rs")

    result.assert_outcomes(passed=1, skipped=2)
    result.stdout.fnmatch_lines(["*no test material at /nowhere; set FINETUNED_TEST_DATA*"])


def test_ci_fails_on_a_skip(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "1")
    monkeypatch.setenv("FINETUNED_TEST_DATA", "/nowhere")

    result = suite.runpytest_inprocess("--continue-on-collection-errors")

    result.assert_outcomes(passed=1, errors=2)
    result.stdout.fnmatch_lines(
        ["*CI skips nothing; this needs what is missing here: *no test material at /nowhere*"]
    )
