"""The command `ftd`."""

import argparse
import importlib.util
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ftd.settings import SETTINGS, SYSTEM_FILE

if TYPE_CHECKING:
    from ftd.config import Config

EXIT_FAILED = 1
EXIT_BAD_CONFIG = 2
EXIT_NOT_INSTALLED = 3

# What the extra `daemon` brings; looked for, not loaded.
_NEEDED = (
    "structlog",
    "sqlalchemy",
    "alembic",
    "pydantic",
    "asyncinotify",
    "grpc_health",
    "grpc_reflection",
    "torch",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if given.version:
        return _version()
    if given.command is None:
        parser.print_help(sys.stderr)
        return EXIT_BAD_CONFIG
    if given.command == "init":
        return _init(given)
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        sys.stderr.write(
            f"ftd: not installed: {', '.join(missing)}; run: pip install 'finetuned[daemon]'\n"
        )
        return EXIT_NOT_INSTALLED
    runs = {
        "check-config": _check, "token": _token, "serve": _serve,
        "backup": _backup, "restore": _restore, "gc": _gc,
    }  # fmt: skip
    return runs[given.command](given)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ftd", description="Owns the accelerators of this machine and fine-tunes models."
    )
    parser.add_argument("--version", action="store_true", help="print the version")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    _add_serve(commands.add_parser("serve", help="run the daemon"))
    _add_init(commands.add_parser("init", help="write a commented configuration"))
    _add_check(commands.add_parser("check-config", help="name every fault of a configuration"))
    _add_token(commands.add_parser("token", help="let users of other machines in, or not"))
    _add_backup(commands.add_parser("backup", help="copy the job store, while jobs run"))
    _add_restore(commands.add_parser("restore", help="make a damaged job store whole again"))
    _add_gc(commands.add_parser("gc", help="remove old jobs and what they made"))
    return parser


def _add_serve(serve: argparse.ArgumentParser) -> None:
    serve.description = (
        "Runs the daemon on a unix socket that only you can open. SIGTERM and Ctrl-C stop it, "
        "jobs go on; a second one forces it."
    )
    serve.epilog = (
        "A flag goes before the environment (FTD_STATE for --state, and so on), that before the "
        "file. The file is --config or FTD_CONFIG, else XDG_CONFIG_HOME/finetuned/ftd.toml where "
        f"that is (XDG_CONFIG_HOME: ~/.config), else {SYSTEM_FILE} where that is."
    )
    serve.add_argument("--config", metavar="FILE", help="the configuration to read (see below)")
    for setting in SETTINGS:
        default = setting.default.replace("`", "").replace("$", "")
        serve.add_argument(
            f"--{setting.name}",
            metavar=setting.metavar,
            help=f"{setting.meaning} (default: {default})",
        )


def _add_init(init: argparse.ArgumentParser) -> None:
    init.description = "Writes a configuration with every key, its meaning and its default."
    init.add_argument(
        "--path",
        metavar="FILE",
        help="where to write (default: XDG_CONFIG_HOME/finetuned/ftd.toml; for the whole machine: "
        f"{SYSTEM_FILE})",
    )
    init.add_argument("--force", action="store_true", help="overwrite what is there")


def _add_check(check: argparse.ArgumentParser) -> None:
    check.description = (
        "Names every fault of a configuration and of the FTD_ variables beside it, then shows what "
        "holds. Exit code 0: no faults, 2: faults."
    )
    check.add_argument(
        "file", metavar="FILE", nargs="?", help="the file (default: what `ftd serve` would read)"
    )


def _add_token(token: argparse.ArgumentParser) -> None:
    token.description = (
        "Makes, lists and revokes the tokens by which `ftd serve --listen` knows users. Works on "
        "the state directory itself, whether a daemon runs or not; a daemon heeds it at once."
    )
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--state", metavar="DIR", help="the daemon's state (default: as it has)")
    common.add_argument("--config", metavar="FILE", help="the daemon's configuration")
    verbs = token.add_subparsers(dest="verb", metavar="VERB", required=True)
    create = verbs.add_parser("create", parents=[common], help="make one; it is printed this once")
    create.add_argument("name", metavar="NAME", help="what to call it")
    create.add_argument("--user", metavar="USER", help="whose it is (default: NAME)")
    create.add_argument("--admin", action="store_true", help="may touch all users' jobs, devices")
    verbs.add_parser("list", parents=[common], help="show all")
    revoke = verbs.add_parser("revoke", parents=[common], help="end one at once")
    revoke.add_argument("name", metavar="NAME", help="what it is called")


def _add_backup(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Copies the job store into a new folder, whole as of one instant, with a manifest. Jobs "
        "and the daemon go on meanwhile. What jobs made lies in run directories, beside it."
    )
    parser.add_argument("path", metavar="PATH", help="the folder to make")
    _add_state(parser)


def _add_restore(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Makes the job store anew: from a backup, from the run directories all that happened to "
        "jobs since, and from the store that is there what can still be read. What is lost is "
        "named. The store that was there is put aside. Refused while a daemon runs."
    )
    parser.add_argument(
        "path", metavar="BACKUP", nargs="?",
        help="what `ftd backup` made (default: the last that the daemon made by itself)",
    )  # fmt: skip
    parser.add_argument(
        "--from-runs", action="store_true", help="without a backup, from the run directories alone"
    )
    _add_state(parser)


def _add_gc(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Removes jobs that have ended, with all that they made, and files that nobody needs any "
        "more. Never a job that has not ended, nor one that such a job needs. The daemon does it "
        "by itself where --gc-age, --gc-keep or --gc-size of `ftd serve` say so."
    )
    parser.add_argument("--age", metavar="TIME", help="those that ended longer ago, like 30d")
    parser.add_argument("--keep", metavar="N", help="all but the latest N")
    parser.add_argument("--size", metavar="SIZE", help="the oldest, until the rest takes no more")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be removed")
    _add_state(parser)


def _add_state(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--state", metavar="DIR", help="the daemon's state (default: as it has)")
    parser.add_argument("--config", metavar="FILE", help="the daemon's configuration")


def _version() -> int:
    from ftd.release import version

    sys.stdout.write(f"ftd {version()}\n")
    return 0


def _init(given: argparse.Namespace) -> int:
    from ftd import template
    from ftd.settings import user_file

    path = Path(given.path).expanduser() if given.path else user_file(os.environ)
    try:
        template.write(path, force=given.force)
    except FileExistsError:
        return _refused(f"{path} is there already; --force overwrites it, --path names another")
    except OSError as error:
        return _refused(f"no configuration can be at {path}: {os.strerror(error.errno or 0)}")
    sys.stdout.write(f"wrote {path}; `ftd check-config` checks it\n")
    return 0


def _check(given: argparse.Namespace) -> int:
    from ftd import checkconfig
    from ftd.errors import BadConfig

    try:
        sys.stdout.write(checkconfig.report(given.file, os.environ))
    except BadConfig as error:
        return _refused(str(error))
    return 0


def _token(given: argparse.Namespace) -> int:
    from ftd import tokencommand
    from ftd.errors import DaemonError

    try:
        sys.stdout.write(tokencommand.run(given, _configured(given).state_dir))
    except DaemonError as error:
        return _refused(str(error))
    return 0


def _backup(given: argparse.Namespace) -> int:
    from ftd import backupcommand
    from ftd.errors import DaemonError

    try:
        state = _configured(given).state_dir
        sys.stdout.write(backupcommand.save(state, Path(given.path).expanduser()))
    except DaemonError as error:
        return _refused(str(error))
    return 0


def _restore(given: argparse.Namespace) -> int:
    from ftd import backupcommand
    from ftd.errors import DaemonError

    try:
        place = Path(given.path).expanduser() if given.path else None
        state = _configured(given).state_dir
        sys.stdout.write(backupcommand.restore(state, place, from_runs=given.from_runs))
    except DaemonError as error:
        return _refused(str(error))
    return 0


def _gc(given: argparse.Namespace) -> int:
    from ftd import gccommand, upkeep
    from ftd.errors import DaemonError

    try:
        said = {f"gc_{name}": getattr(given, name) for name in ("age", "keep", "size")}
        config = _configured(given, **said)
        text = gccommand.run(config.state_dir, upkeep.limits(config), dry_run=given.dry_run)
        sys.stdout.write(text)
    except DaemonError as error:
        return _refused(str(error))
    return 0


def _configured(given: argparse.Namespace, **flags: str | None) -> "Config":
    from ftd import configfile
    from ftd.config import load

    file = configfile.find(given.config, os.environ)
    return load({"state": given.state, **flags}, os.environ, file)


def _serve(given: argparse.Namespace) -> int:
    import asyncio

    import structlog

    from ftd import configfile
    from ftd.config import load
    from ftd.errors import BadConfig, StateLocked

    try:
        config = load(vars(given), os.environ, configfile.find(given.config, os.environ))
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
