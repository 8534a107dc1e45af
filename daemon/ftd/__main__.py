"""The command `ftd`."""

import argparse
import importlib.util
import os
import sys
from collections.abc import Sequence

EXIT_FAILED = 1
EXIT_BAD_CONFIG = 2
EXIT_NOT_INSTALLED = 3

# What the extra `daemon` brings; looked for, not loaded.
_NEEDED = ("structlog", "sqlalchemy", "alembic", "pydantic", "asyncinotify", "grpc_health", "torch")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if given.version:
        return _version()
    if given.command is None:
        parser.print_help(sys.stderr)
        return EXIT_BAD_CONFIG
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        sys.stderr.write(
            f"ftd: not installed: {', '.join(missing)}; run: pip install 'finetuned[daemon]'\n"
        )
        return EXIT_NOT_INSTALLED
    return _serve(given)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ftd", description="Owns the accelerators of this machine and fine-tunes models."
    )
    parser.add_argument("--version", action="store_true", help="print the version")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    serve = commands.add_parser(
        "serve",
        help="run the daemon",
        description="Runs the daemon on a unix socket that only you can open. SIGTERM and Ctrl-C "
        "stop it, jobs go on; a second one forces it.",
        epilog="Each option can be set in the environment: FTD_STATE, FTD_SOCKET, "
        "FTD_LOG_FORMAT, FTD_LOG_LEVEL, FTD_RESERVE.",
    )
    serve.add_argument(
        "--state", metavar="DIR", help="where jobs are kept (default: XDG_STATE_HOME/finetuned)"
    )
    serve.add_argument(
        "--socket",
        metavar="PATH",
        help="where to listen (default: XDG_RUNTIME_DIR/finetuned/ftd.sock, else in the state)",
    )
    serve.add_argument(
        "--log-format", metavar="FORMAT", help="auto (text on a terminal), json or text"
    )
    serve.add_argument("--log-level", metavar="LEVEL", help="debug, info, warning or error")
    serve.add_argument(
        "--reserve",
        metavar="SIZE",
        help="memory that the next worker touches ahead to begin sooner, like 512MiB, or 0 "
        "(default: a sixteenth of the machine's, at most 1GiB)",
    )
    return parser


def _version() -> int:
    from ftd.release import version

    sys.stdout.write(f"ftd {version()}\n")
    return 0


def _serve(given: argparse.Namespace) -> int:
    import asyncio

    import structlog

    from ftd.config import load
    from ftd.errors import BadConfig, StateLocked
    from ftd.server import serve

    try:
        asyncio.run(serve(load(vars(given), os.environ)))
    except (BadConfig, StateLocked) as error:
        for line in str(error).splitlines():
            sys.stderr.write(f"ftd: {line}\n")
        return EXIT_BAD_CONFIG
    except Exception:  # noqa: BLE001 - the edge: told once, with its traceback
        structlog.get_logger().exception("daemon_failed")
        return EXIT_FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main())
