"""What `ftctl --help` says, to the letter."""

from pathlib import Path

import pytest

from ftctl.cli import VERBS, main

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("verb", ["", *VERBS])
def test_help_is_as_it_was(verb, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")

    with pytest.raises(SystemExit) as ended:
        main([*verb.split(), "--help"])

    assert ended.value.code == 0
    assert capsys.readouterr().out == (GOLDEN / f"help{'-' if verb else ''}{verb}.txt").read_text()
