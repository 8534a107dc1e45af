"""What `ftd token` does, on the store itself: SQLite lets two processes write in turn."""

import argparse
import asyncio
import contextlib
import os
import re
from datetime import UTC, datetime
from pathlib import Path

from ftd import statedir
from ftd.errors import BadConfig, StateLocked
from ftd.jobs.store import Store
from ftd.jobs.store.tokens import Role, Token, Tokens

_DATABASE = "ftd.sqlite"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,62}")


def run(given: argparse.Namespace, state: Path) -> str:
    """Do what is asked; return what to print.

    Raises:
        BadConfig, StateLocked, TokenNameTaken, TokenNotFound
    """
    os.umask(0o077)
    _refuse_other_owner(state)
    # Held where no daemon has it, since the store may be made or migrated here. A daemon that
    # runs has done so already.
    with contextlib.ExitStack() as stack:
        if not (state / _DATABASE).exists():
            stack.enter_context(statedir.held(state))
        else:
            with contextlib.suppress(StateLocked):
                stack.enter_context(statedir.held(state))
        return asyncio.run(_run(given, state / _DATABASE))


async def _run(given: argparse.Namespace, database: Path) -> str:
    now = datetime.now(UTC)
    async with await Store.open(database) as store:
        match given.verb:
            case "create":
                return await _create(store.tokens, given, now)
            case "revoke":
                await store.tokens.revoke(given.name, now=now)
                return f"token `{given.name}` is revoked\n"
        return _table(await store.tokens.list())


async def _create(tokens: Tokens, given: argparse.Namespace, now: datetime) -> str:
    user = given.user or given.name
    for what, text in (("NAME", given.name), ("--user", user)):
        if not _NAME.fullmatch(text):
            raise BadConfig(
                f"{what}: `{text}` is no name; say 1 to 63 letters, digits and . _ @ -, "
                "a letter or digit first"
            )
    role = Role.ADMIN if given.admin else Role.USER
    return f"{await tokens.create(given.name, user=user, role=role, now=now)}\n"


def _table(tokens: list[Token]) -> str:
    rows = [("NAME", "USER", "ROLE", "CREATED", "LAST USED", "REVOKED")]
    rows += [
        (each.name, each.user, each.role.value, _time(each.create_time),
         _time(each.last_use_time), _time(each.revoke_time))
        for each in tokens
    ]  # fmt: skip
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
    return "\n".join(lines) + "\n"


def _time(moment: datetime | None) -> str:
    return moment.strftime("%Y-%m-%d %H:%M UTC") if moment else "-"


def _refuse_other_owner(state: Path) -> None:
    """Leave no files in a daemon's state that it cannot open."""
    with contextlib.suppress(FileNotFoundError):
        if state.stat().st_uid != os.geteuid():
            raise BadConfig(
                f"the state directory {state} is of user {state.owner()}; run this as that user: "
                f"sudo -u {state.owner()} ftd token ..."
            )
