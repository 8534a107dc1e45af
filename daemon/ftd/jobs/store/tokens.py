"""The tokens by which users of other machines are known: made, found, revoked."""

import contextlib
import hashlib
import hmac
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, Row, insert, select, update

from ftd.errors import DiskFull, TokenNameTaken, TokenNotFound
from ftd.jobs.callers import Caller
from ftd.jobs.store.tables import TOKENS
from fttrain.spec.nearest import hint

T = TypeVar("T")
List = list  # below, `list` is the verb

PREFIX = "ftd_"
_RANDOM_BYTES = 32
# When a token was last used is noted this coarsely: a write for every call would be too many.
USE_STEP = timedelta(minutes=1)


class Role(StrEnum):
    """What a token lets its user do."""

    USER = "user"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """What is kept of a token: never the token itself."""

    name: str
    user: str
    role: Role
    create_time: datetime
    last_use_time: datetime | None
    revoke_time: datetime | None

    @property
    def caller(self) -> Caller:
        """Who comes with it."""
        return Caller(user=self.user, is_admin=self.role is Role.ADMIN)


class _Run(Protocol):
    def __call__(self, work: Callable[[Connection], T], /) -> Awaitable[T]:
        """Do a piece of work in a transaction."""


class Tokens:
    """The tokens of a store."""

    def __init__(self, *, read: _Run, write: _Run) -> None:
        self._read = read
        self._write = write

    async def create(self, name: str, *, user: str, role: Role, now: datetime) -> str:
        """Make a token and return it: it is told this once and cannot be read again.

        Raises:
            TokenNameTaken: where a token of this name is not revoked.
        """
        token = PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)
        row = {
            "name": name, "user": user, "role": role.value, "digest": _digest(token),
            "create_time": now,
        }  # fmt: skip
        await self._write(lambda connection: _insert(connection, row))
        return token

    async def list(self) -> List[Token]:
        """Return all tokens, revoked ones too, in order of their making."""
        return await self._read(_all)

    async def revoke(self, name: str, *, now: datetime) -> None:
        """End a token: no call with it is answered from now on.

        Raises:
            TokenNotFound: where no token of this name is live.
        """
        await self._write(lambda connection: _revoke(connection, name, now))

    async def find(self, token: str, *, now: datetime) -> Token | None:
        """Return what is known of a token that is live, and note its use; None: it is not."""
        digest = _digest(token)
        found = await self._read(lambda connection: _live(connection, digest))
        if found and (found.last_use_time is None or now - found.last_use_time >= USE_STEP):
            with contextlib.suppress(DiskFull):  # who makes room needs to be let in
                await self._write(lambda connection: _use(connection, digest, now))
        return found


def _digest(token: str) -> str:
    # Neither salt nor a slow hash: those guard what people choose. This is 32 random bytes, of
    # which nobody can make a table and which nobody can guess, however fast the hash is.
    return hashlib.sha256(token.encode()).hexdigest()


def _insert(connection: Connection, row: dict[str, Any]) -> None:
    taken = select(TOKENS.c.user).where(
        TOKENS.c.name == row["name"], TOKENS.c.revoke_time.is_(None)
    )
    user = connection.scalar(taken)
    if user is not None:
        raise TokenNameTaken(
            f"there is a token `{row['name']}` already, of user {user}; give this one another "
            f"name, or revoke that one: ftd token revoke {row['name']}"
        )
    connection.execute(insert(TOKENS), row)


def _all(connection: Connection) -> List[Token]:
    return [_token(row) for row in connection.execute(select(TOKENS).order_by(TOKENS.c.number))]


def _revoke(connection: Connection, name: str, now: datetime) -> None:
    live = (TOKENS.c.name == name) & TOKENS.c.revoke_time.is_(None)
    if not connection.execute(update(TOKENS).where(live).values(revoke_time=now)).rowcount:
        query = select(TOKENS.c.name).where(TOKENS.c.revoke_time.is_(None))
        near = hint(name, connection.scalars(query)) or "; `ftd token list` shows all"
        raise TokenNotFound(f"no live token has the name `{name}`{near}")


def _live(connection: Connection, digest: str) -> Token | None:
    query = select(TOKENS).where(TOKENS.c.digest == digest, TOKENS.c.revoke_time.is_(None))
    row = connection.execute(query).one_or_none()
    # The index has compared a digest already, of which a caller cannot choose the bytes one by
    # one; this says so where it is read.
    if row is None or not hmac.compare_digest(row.digest, digest):
        return None
    return _token(row)


def _use(connection: Connection, digest: str, now: datetime) -> None:
    connection.execute(update(TOKENS).where(TOKENS.c.digest == digest).values(last_use_time=now))


def _token(row: Row[Any]) -> Token:
    return Token(
        name=row.name,
        user=row.user,
        role=Role(row.role),
        create_time=row.create_time,
        last_use_time=row.last_use_time,
        revoke_time=row.revoke_time,
    )
