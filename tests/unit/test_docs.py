"""What the pages show is true: links lead somewhere, job files are accepted, targets exist."""

import re
from pathlib import Path

import pytest

from ftctl import JobFile
from ftctl.cli import VERBS
from ftctl.cli.completion import ACTIONS
from fttrain.spec import basing

CHECKOUT = Path(__file__).resolve().parent.parent.parent
PAGES = sorted(
    page
    for folder in (".", "docs", "docs/adr", "docs/gallery", "deploy", "examples", "examples/*")
    for page in CHECKOUT.glob(f"{folder}/*.md")
)
EXAMPLES = sorted(CHECKOUT.glob("examples/**/*.yaml"))
WELL_KNOWN_TARGETS = {"help", "demo", "test", "test-all", "check", "fmt", "proto", "bench"}


def named(path: Path) -> str:
    return str(path.relative_to(CHECKOUT))


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_link_within_the_project_leads_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#:]+)\)", page.read_text())

    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_job_file_on_a_page_is_accepted(page: Path) -> None:
    for block in re.findall(r"```yaml\n(.*?)```", page.read_text(), re.DOTALL):
        basing.resolve(JobFile.parse(block).request.recipe_json)


@pytest.mark.parametrize("example", EXAMPLES, ids=named)
def test_every_example_is_accepted(example: Path) -> None:
    basing.resolve(JobFile.read(example).request.recipe_json)


def test_every_target_on_a_page_is_in_the_makefile() -> None:
    rules = set(re.findall(r"^([a-z-]+):", (CHECKOUT / "Makefile").read_text(), re.MULTILINE))
    told = {
        target for page in PAGES for target in re.findall(r"`?\bmake ([a-z-]+)`", page.read_text())
    }

    assert told | WELL_KNOWN_TARGETS <= rules


def test_the_readme_begins_with_the_install_and_the_two_commands() -> None:
    page = (CHECKOUT / "README.md").read_text()
    blocks = re.findall(r"```sh\n(.*?)```", page, re.DOTALL)

    assert blocks[0].startswith("make setup\n")
    assert blocks[1] == "ftd serve\n"
    assert re.fullmatch(r"ftctl submit examples/\S+ --watch\n", blocks[2])
    assert "`make demo`" in page


def test_the_readme_can_be_read_in_five_minutes() -> None:
    text = (CHECKOUT / "README.md").read_text()

    # At 200 words a minute.
    assert len(re.findall(r"[\w'-]+", re.sub(r"\]\(.*?\)", "]", text))) <= 1000


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_command_that_a_page_mentions_is_one(page: Path) -> None:
    told = re.findall(r"`ftctl ([a-z]+)(?: ([a-z]+) )?", page.read_text())

    assert {verb for verb, _ in told} <= set(VERBS)
    assert {word for verb, word in told if verb in ACTIONS and word} <= {
        word for verb in ACTIONS for word in ACTIONS[verb]
    }


def test_ci_runs_the_test_command_of_the_readme() -> None:
    assert "make test  " in (CHECKOUT / "README.md").read_text()
    assert "step test\n" in (CHECKOUT / ".ci" / "run").read_text()
