"""The command `ftctl`: one file per verb. This one parses, and loads only what is used."""

import argparse
import io
import os
import sys
from collections.abc import Sequence
from importlib import import_module

INTERRUPTED = 130

VERBS = {
    "submit": "submit job files; follow the planning of one",
    "watch": "follow a job to its end",
    "list": "list jobs, the latest first",
    "get": "show a job",
    "cancel": "cancel a job",
    "logs": "print a job's log",
    "metrics": "print a job's epochs, as a table, CSV or JSON",
    "devices": "show the devices; drain and resume them",
    "top": "watch devices, jobs and queue on one screen",
    "schema": "print the JSON Schema of a job file, for editors",
    "doctor": "check daemon, devices, clock and disk, with remedies",
    "completion": "print what has bash, zsh or fish complete",
    "version": "print versions, and whether a daemon answers",
}

EPILOG = """\
A JOB is an id, at least four characters of one, or a name; a name means the latest job of it.

exit codes:
  0    done
  1    the job failed or was cancelled
  2    bad input: arguments, the job file, its plan, an unknown job
  3    no daemon answers; `ftd serve` starts one
  130  left by Ctrl-C; the job goes on
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    # A daemon that goes away is ours to tell; gRPC would write lines of its own about it.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that knows no `–` shows a `?`, and no traceback.
            stream.reconfigure(errors="replace")
    # Here `list` is no builtin: loading the verb of that name binds it in this package.
    given = sys.argv[1:] if argv is None else argv
    try:
        if [*given[:2]] == ["completion", "__complete"]:
            # The words of a line that is completed are not to be read as ours.
            return int(import_module("ftctl.cli.completion").answer(given[2:]))
        args = parser(given).parse_args(given)
        code: int = import_module("ftctl.cli.dispatch").run(args)
    except KeyboardInterrupt:
        return INTERRUPTED
    return code


def parser(argv: Sequence[str]) -> argparse.ArgumentParser:
    """Return the parser; of the verbs, only those that stand in `argv` are loaded."""
    whole = argparse.ArgumentParser(
        prog="ftctl",
        description="Submit fine-tuning jobs to a finetuned daemon, follow them, fetch results.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    whole.add_argument("--version", action=_Version, nargs=0, help="print the version")
    _add_socket(whole, default=None)
    verbs = whole.add_subparsers(title="commands", dest="verb", metavar="COMMAND", required=True)
    for name, summary in VERBS.items():
        verb = verbs.add_parser(name, help=summary)
        _add_socket(verb, default=argparse.SUPPRESS)
        if name in argv:
            module = import_module(f"ftctl.cli.{name}")
            verb.description = module.__doc__
            module.configure(verb)
    return whole


def _add_socket(to: argparse.ArgumentParser, *, default: str | None) -> None:
    to.add_argument(
        "--socket", metavar="PATH", default=default, help="the daemon's socket [FTCTL_SOCKET]"
    )


class _Version(argparse.Action):
    """Prints the version: looked up only when it is asked for."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,
    ) -> None:
        release = import_module("ftctl.release")
        sys.stdout.write(f"ftctl {release.version()}\n")
        parser.exit()
