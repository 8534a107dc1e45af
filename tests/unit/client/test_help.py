"""What `ftctl --help` says, to the letter.

The pages are in tests/golden/help. Where one is to say something else, run this with
UPDATE_GOLDEN=1 and look at the difference.
"""

import os
from pathlib import Path

import pytest

from ftctl.cli import VERBS, main

GOLDEN = Path(__file__).parent.parent.parent / "golden" / "help"


def golden(words):
    return GOLDEN / f"{'-'.join(['ftctl', *words])}.txt"


@pytest.mark.parametrize(
    "words",
    [
        [],
        *([verb] for verb in VERBS),
        ["devices", "drain"],
        ["devices", "resume"],
        *(["dataset", action] for action in ("push", "list", "show", "rm")),
    ],
    ids=" ".join,
)
def test_help_is_as_it_was(words, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")

    with pytest.raises(SystemExit) as ended:
        main([*words, "--help"])

    told = capsys.readouterr().out
    if os.environ.get("UPDATE_GOLDEN"):
        golden(words).write_text(told)
    assert ended.value.code == 0
    assert told == golden(words).read_text()
    assert max(map(len, told.splitlines())) <= 100


def test_every_page_of_help_is_of_a_verb():
    told = {path.stem.split("-")[1] for path in GOLDEN.glob("ftctl-*.txt")}

    assert told == set(VERBS)
