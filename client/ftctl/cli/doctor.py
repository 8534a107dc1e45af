"""Check what jobs need: the socket, the daemon, versions, devices, clock, disk and weights. Each
check has a line, and a remedy where something is wrong. The exit code is 1 where one failed."""

import json
import sys
from argparse import ArgumentParser, Namespace
from dataclasses import asdict

from rich.text import Text

from ftctl.cli import codes, reach
from ftctl.cli.checkup import Check, Verdict, checks
from ftctl.view import console

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
            for line in _lines(check):
                out.print(line, soft_wrap=True)
    if args.format == "json":
        sys.stdout.write(json.dumps([asdict(each) for each in done], indent=2) + "\n")
    failed = any(check.verdict is Verdict.FAILURE for check in done)
    return codes.JOB_FAILED if failed else codes.DONE


def _lines(check: Check) -> list[Text]:
    line = Text.assemble(
        (f"{check.verdict:<7}", STYLES[check.verdict]),
        "  ",
        (check.name, "title"),
        f": {check.told}",
    )
    return [line, Text(f"         {check.remedy}", "label")] if check.remedy else [line]
