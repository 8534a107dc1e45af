"""The command `ftd`."""

import argparse
import importlib.util
import os
import sys
from collections.abc import Sequence

from ftd.settings import SETTINGS, SYSTEM_FILE

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
        epilog="Flags go before the environment (FTD_STATE for --state, and so on), that before "
        f"the file. The file is --config or FTD_CONFIG, else XDG_CONFIG_HOME/finetuned/ftd.toml "
        f"where that is, else {SYSTEM_FILE} where that is.",
    )
    serve.add_argument("--config", metavar="FILE", help="the configuration to read (see below)")
    for setting in SETTINGS:
        default = setting.default.replace("`", "").replace("$", "")
        serve.add_argument(
            f"--{setting.name}",
            metavar=setting.metavar,
            help=f"{setting.meaning} (default: {default})",
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

    try:
        config = load(vars(given), os.environ)
        from ftd.server import serve  # slow to load: after what may be wrong

        asyncio.run(serve(config))
    except (BadConfig, StateLocked) as error:
        return _refused(str(error))
    except Exception:  # noqa: BLE001 - the edge: told once, with its traceback
        structlog.get_logger().exception("daemon_failed")
        return EXIT_FAILED
    return 0


def _refused(faults: str) -> int:
    for line in faults.splitlines():
        sys.stderr.write(f"ftd: {line}\n")
    return EXIT_BAD_CONFIG


if __name__ == "__main__":
    sys.exit(main())
