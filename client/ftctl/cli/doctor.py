"""Check what jobs need: the socket, the daemon, versions, devices, clock, disk and weights. Each
check has a line, and a remedy where something is wrong. The exit code is 1 where one failed."""

import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from dataclasses import asdict

from rich.console import Console
from rich.text import Text

from ftctl.cli import codes, reach
from ftctl.cli.checkup import Check, Verdict, checks
from ftctl.view import console

INDENT = 9
STYLES = {Verdict.OK: "good", Verdict.WARNING: "warn", Verdict.FAILURE: "bad"}


def configure(parser: ArgumentParser) -> None:
    """Add what the verb takes."""
    parser.add_argument(
        "-o", dest="format", metavar="FORMAT", choices=["json"], help="json: an array of checks"
    )


async def run(args: Namespace) -> int:
    """Run the verb."""
    out = console.out()
    done: list[Check] = []
    async for check in checks(reach.client(args)):
        done.append(check)
        if args.format != "json":
            console.show(out, lines(check, out))
    if args.format == "json":
        sys.stdout.write(json.dumps([asdict(each) for each in done], indent=2) + "\n")
    failed = any(check.verdict is Verdict.FAILURE for check in done)
    return codes.JOB_FAILED if failed else codes.DONE


def lines(check: Check, out: Console) -> Iterator[Text]:
    """Yield what a check says; what is too long for a terminal goes on below, indented."""
    told = Text.assemble((check.name, "title"), f": {check.told}")
    head = Text(f"{check.verdict:<{INDENT}}", STYLES[check.verdict])
    for part in (told, Text(check.remedy, "label")):
        fits = part.wrap(out, max(out.width - INDENT, INDENT)) if out.is_terminal else [part]
        for line in fits if part else ():
            line.rstrip()
            yield Text(no_wrap=True, overflow="ignore").append_text(head).append_text(line)
            head = Text(" " * INDENT)
