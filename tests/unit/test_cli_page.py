"""docs/cli.md tells every verb, every action and every argument, and is made from the parsers."""

from argparse import ArgumentParser

from ftctl.cli import VERBS
from tests.house import commands


def test_the_page_is_fresh(capsys):
    assert commands.main(["--check"]) == 0
    assert capsys.readouterr().out == "docs/cli.md: fresh\n"


def test_a_stale_page_is_told_and_written_anew(tmp_path, monkeypatch, capsys):
    stale = tmp_path / "cli.md"
    monkeypatch.setattr(commands, "PAGE", stale)

    assert commands.main(["--check"]) == 1
    assert capsys.readouterr().err == "docs/cli.md is stale: make fmt\n"
    assert commands.main([]) == 0
    assert stale.read_text() == commands.page()


def test_every_verb_has_a_section():
    told = commands.page()

    assert [verb for verb in VERBS if f"\n## ftctl {verb}\n" not in told] == []
    assert "\n### ftctl dataset push\n" in told


def test_what_every_verb_takes_is_told_once_and_what_one_takes_where_it_is_taken():
    told = commands.page()

    assert told.count("--socket PATH") == 1
    assert "ftctl context add NAME --server HOST:PORT [--ca FILE]\n" in told


def test_a_bar_in_a_table_is_no_edge_of_a_cell():
    told = ArgumentParser()
    told.add_argument("source", metavar="DIR|TAR", help="a folder or an archive")

    assert "| `DIR\\|TAR` | a folder or an archive |" in commands._section(told, "push", "##")
