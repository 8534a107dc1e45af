"""Running a parsed command: its errors become messages and exit codes."""

import asyncio
import os
import sys
from argparse import Namespace
from importlib import import_module

from ftctl.cli import codes
from ftctl.errors import FtctlError, InvalidJob


def run(args: Namespace) -> int:
    """Run a command; return its exit code."""
    return asyncio.run(call(args))


async def call(args: Namespace) -> int:
    """Run a parsed command."""
    try:
        code: int = await import_module(f"ftctl.cli.{args.verb}").run(args)
        sys.stdout.flush()
    except InvalidJob as error:
        count = len(error.faults)
        ending = "; nothing was submitted" if args.verb == "submit" else ""
        sys.stderr.write(f"{error}\nftctl: {count} fault{'s' if count > 1 else ''}{ending}\n")
        return codes.BAD_INPUT
    except FtctlError as error:
        sys.stderr.write(f"ftctl: {error}\n")
        return codes.of_error(error)
    except BrokenPipeError:
        # Who read our output has enough. What is still buffered must not fail again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return codes.PIPE_CLOSED
    return code
