"""Every command of the README and of docs is run, on real daemons, as the pages have it."""

import json
import sys
import tempfile
from pathlib import Path

import pytest

from tests import reading
from tests.photos import make_photo_folder

STORIES = ("README.md", "docs/quickstart.md", "docs/operations.md")
# Its Python runs against a fake daemon: see test_snippets.py.
FAKED = ("docs/sdk.md",)
PAGES = sorted(
    str(page.relative_to(reading.CHECKOUT))
    for page in (*reading.CHECKOUT.glob("*.md"), *reading.CHECKOUT.glob("docs/**/*.md"))
)


@pytest.fixture
def home(shared):
    """A home with photos of its reader's, published weights, and the checkout's files."""
    with tempfile.TemporaryDirectory(prefix="ftd-") as short:  # a socket's path is short by law
        folder = Path(short)
        make_photo_folder(folder / "photos", ("cats", "dogs"), per_class=4, val_per_class=1)
        (folder / "examples").symlink_to(reading.CHECKOUT / "examples")
        weights = folder / ".cache" / "torch" / "hub" / "checkpoints"
        weights.mkdir(parents=True)
        (weights / "mobilenet_v2-b0353104.pth").symlink_to(
            shared / "weights" / "mobilenet_v2-b0353104.pth"
        )
        activate = folder / ".venv" / "bin" / "activate"
        activate.parent.mkdir(parents=True)
        activate.touch()
        yield folder


@pytest.mark.timeout(300)
@pytest.mark.parametrize("page", STORIES)
def test_a_reader_who_takes_a_page_at_its_word_comes_to_its_end(page, home):
    done = reading.read(reading.script(page), home, {})

    log = home / "daemon.log"
    told = f"{done.stdout}{done.stderr}{log.read_text() if done.returncode else ''}"
    assert done.returncode == 0, told[-6000:]
    assert "Traceback" not in told


def test_every_snippet_is_run_and_none_is_skipped(capsys):
    found = [each for page in PAGES for each in reading.snippets(page)]
    runnable = [each for each in found if each.language in (*reading.RUN, "bash", "console", "")]
    run = [
        each
        for each in runnable
        if each.page in STORIES or (each.page in FAKED and each.language == "python")
    ]

    told = {
        "snippets run": len(run),
        "commands in them": sum(each.commands for each in run if each.language == "sh"),
        "skipped": len(runnable) - len(run),
    }
    with capsys.disabled():
        sys.stdout.write(json.dumps(told))

    assert [(each.page, each.number) for each in runnable if each not in run] == []
    assert told["skipped"] == 0
    assert len(run) >= 40
    assert told["commands in them"] >= 60


def test_nothing_is_fenced_that_the_runner_does_not_see():
    for page in PAGES:
        fences = (reading.CHECKOUT / page).read_text().count("\n```")

        assert fences == 2 * len(reading.snippets(page)), page


def test_a_page_that_is_wrong_is_seen(tmp_path):
    text = reading.script("README.md")
    prelude = text[: text.index("echo '---")]

    done = reading.read(f"{prelude}\nftctl submit nothing.yaml\necho not reached", tmp_path, {})

    assert done.returncode == 2
    assert "nothing.yaml" in done.stderr
    assert "not reached" not in done.stdout
