"""Write docs/cli.md, every command with all that it takes, from the parsers of the command.

Run as `python -m tests.house.commands`; with `--check` it only says whether the page is fresh.
"""

import sys
from argparse import Action, ArgumentParser, _HelpAction, _SubParsersAction
from collections.abc import Iterator
from pathlib import Path

from ftctl.cli import EPILOG, VERBS, add_daemon, parser

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "cli.md"
HEAD = """\
# The command, verb by verb

Generated from the parsers of `ftctl` by `make fmt`; do not edit.
`ftctl VERB --help` says the same on a terminal.
"""
COMMON = """\
`--socket PATH`, `--server HOST:PORT` and `--ca FILE` say which daemon is meant, before a verb or \
behind it; `context` and `completion` ask none.

| exit code | means |
|---|---|
"""


def main(arguments: list[str]) -> int:
    """Write the page, or check it; return 1 where it is stale."""
    text = page()
    if "--check" not in arguments:
        PAGE.write_text(text)
    elif not PAGE.exists() or PAGE.read_text() != text:
        print("docs/cli.md is stale: make fmt", file=sys.stderr)
        return 1
    else:
        print("docs/cli.md: fresh")
    return 0


def page() -> str:
    """Return the page as Markdown."""
    return "\n".join([HEAD, *_common(), *_overview(), *_verbs()]).rstrip() + "\n"


def _common() -> Iterator[str]:
    jobs, daemon, codes = EPILOG.split("\n\n")
    yield f"{_prose(jobs)}\n{_prose(daemon)}\n{COMMON.rstrip()}"
    for line in codes.splitlines()[1:]:
        code, meaning = line.split(maxsplit=1)
        yield f"| {code} | {meaning} |"
    yield ""


def _overview() -> Iterator[str]:
    yield "| command | does |\n|---|---|"
    yield from (f"| [`ftctl {verb}`](#ftctl-{verb}) | {does} |" for verb, does in VERBS.items())
    yield ""


def _verbs() -> Iterator[str]:
    for verb in VERBS:
        told = _subparsers(parser([verb]))[verb]
        yield from _section(told, f"ftctl {verb}", "##")
        for name, action in _subparsers(told).items():
            yield from _section(action, f"ftctl {verb} {name}", "###")


def _section(told: ArgumentParser, words: str, mark: str) -> Iterator[str]:
    """Yield the lines of one verb or of one action of a verb."""
    shown = [each for each in told._actions if _is_shown(each)]
    yield f"{mark} {words}\n"
    if told.description:
        yield f"{_prose(told.description)}\n"
    yield f"```text\n{' '.join([words, *map(_usage, shown)])}\n```\n"
    rows = [each for each in shown if not isinstance(each, _SubParsersAction)]
    if rows:
        yield "| | meaning |\n|---|---|"
        yield from (f"| {_cell(each)} | {each.help} |" for each in rows)
        yield ""
    if told.epilog:
        yield f"```text\n{told.epilog}```\n" if "\n" in told.epilog else f"{_prose(told.epilog)}\n"


def _is_shown(action: Action) -> bool:
    """Return whether an argument is more than what every verb takes."""
    common = ArgumentParser()
    add_daemon(common)
    return not isinstance(action, _HelpAction) and action.help not in [
        each.help for each in common._actions
    ]


def _usage(action: Action) -> str:
    value = str(action.metavar)
    if not action.option_strings:
        return {"+": f"{value} [{value} ...]", "*": f"[{value} ...]", "?": f"[{value}]"}.get(
            str(action.nargs), f"{value} ..." if isinstance(action, _SubParsersAction) else value
        )
    option = action.option_strings[0] + ("" if action.nargs == 0 else f" {value}")
    return option if action.required else f"[{option}]"


def _cell(action: Action) -> str:
    names = ", ".join(action.option_strings) or str(action.metavar)
    value = f" {action.metavar}" if action.option_strings and action.metavar else ""
    return f"`{names}{value}`".replace("|", "\\|")


def _subparsers(told: ArgumentParser) -> dict[str, ArgumentParser]:
    for action in told._actions:
        if isinstance(action, _SubParsersAction):
            return dict(action.choices)
    return {}


def _prose(text: str) -> str:
    """Return a text with a sentence each line."""
    return " ".join(text.split()).replace(". ", ".\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
