"""The command `ftctl`: one file per verb. This one parses, and loads only what is used."""

import argparse
import io
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from ftctl.cli.arguments import Parser

INTERRUPTED = 130

VERBS = {
    "submit": "submit job files; follow the planning of one",
    "watch": "follow a job to its end",
    "list": "list jobs, the latest first",
    "get": "show a job",
    "cancel": "cancel a job, or let it end after this epoch",
    "pause": "take jobs off their devices until they are resumed",
    "resume": "let paused jobs go on",
    "logs": "print a job's log",
    "metrics": "print a job's epochs, as a table, CSV or JSON",
    "plot": "draw a job's curves, confusion and more, with any axes",
    "compare": "compare jobs: what differs, what came of it, and what that says",
    "predict": "ask a job's model what images show",
    "evaluate": "evaluate a job again, on its own images or on others",
    "similarity": "say how alike the nets of two jobs are, layer by layer",
    "artifacts": "list what a job has made, and fetch it",
    "delete": "delete jobs that have ended",
    "dataset": "push photos to the daemon's machine; list, show and remove them",
    "devices": "show the devices; drain and resume them",
    "top": "watch devices, jobs and queue on one screen",
    "usage": "show what each user has of the machine",
    "model": "show what a net is made of: shapes, parameters, MACs, what trains",
    "recipes": "list the recipes that jobs can be based on",
    "schema": "print the JSON Schema of a job file, for editors",
    "context": "keep daemons of other machines by name, and choose one",
    "doctor": "check daemon, devices, clock and disk, with remedies",
    "completion": "print what has bash, zsh or fish complete",
    "version": "print versions, and whether a daemon answers",
}

# They ask no daemon.
WITHOUT_DAEMON = ("completion", "context")

EPILOG = """\
A JOB is an id, at least four characters of one, or a name; a name means the latest job of it.

Which daemon: --socket or --server; else FTCTL_SOCKET, FTCTL_SERVER or FTCTL_CONTEXT; else
the context that `ftctl context use` chose; else the socket of a daemon of yours here. The
token for --server and FTCTL_SERVER is FTCTL_TOKEN; a context has its own.

exit codes:
  0    done
  1    the job failed or was cancelled
  2    bad input: arguments, the job file, its plan, an unknown job
  3    no daemon answers; `ftd serve` starts one
  4    refused: no live token, or something that its user may not
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
    whole = Parser(
        prog="ftctl",
        description="Submit fine-tuning jobs to a finetuned daemon, follow them, fetch results.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    whole.add_argument("--version", action=_Version, nargs=0, help="print the version")
    add_daemon(whole, default=None)
    verbs = whole.add_subparsers(title="commands", dest="verb", metavar="COMMAND", required=True)
    for name, summary in VERBS.items():
        verb = verbs.add_parser(name, help=summary)
        if name not in WITHOUT_DAEMON:
            add_daemon(verb)
        if name in argv:
            module = import_module(f"ftctl.cli.{name}")
            verb.description = module.__doc__
            module.configure(verb)
    return whole


def add_daemon(to: argparse.ArgumentParser, *, default: str | None = argparse.SUPPRESS) -> None:
    """Add the options that say which daemon is meant; they may stand before and after a verb."""
    to.add_argument(
        "--socket", metavar="PATH", default=default, help="the daemon's socket [FTCTL_SOCKET]"
    )
    to.add_argument(
        "--server", metavar="HOST:PORT", default=default,
        help="a daemon on another machine [FTCTL_SERVER, and its FTCTL_TOKEN]",
    )  # fmt: skip
    to.add_argument(
        "--ca", metavar="FILE", default=default,
        help="trust a server whose certificate this CA signed [FTCTL_CA]",
    )  # fmt: skip


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
