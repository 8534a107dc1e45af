"""Tokens: told once, kept as a digest, live until they are revoked."""

import hashlib
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ftd.errors import DiskFull, TokenNameTaken, TokenNotFound
from ftd.jobs.callers import Caller
from ftd.jobs.store import Store
from ftd.jobs.store.tokens import Role
from tests.fakes.jobs import NOW, at


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with await Store.open(tmp_path / "ftd.sqlite") as store:
        yield store


async def create(store: Store, name: str = "laptop", role: Role = Role.USER) -> str:
    return await store.tokens.create(name, user="alice", role=role, now=NOW)


@pytest.mark.parametrize("role", Role)
async def test_a_token_names_its_user_and_what_he_may(store: Store, role: Role) -> None:
    token = await create(store, role=role)

    found = await store.tokens.find(token, now=NOW)

    assert found is not None
    assert found.caller == Caller(user="alice", is_admin=role is Role.ADMIN)
    assert (token[:4], len(token)) == ("ftd_", 47)


async def test_no_file_of_the_store_holds_a_token(store: Store, tmp_path: Path) -> None:
    token = await create(store)

    kept = b"".join(map(Path.read_bytes, tmp_path.glob("*")))  # noqa: ASYNC240

    assert token.encode() not in kept
    assert token.removeprefix("ftd_").encode() not in kept
    assert hashlib.sha256(token.encode()).hexdigest().encode() in kept


@pytest.mark.parametrize("wrong", ["", "ftd_", "ftd_" + "x" * 43, "Ä"])
async def test_what_is_no_token_finds_none(store: Store, wrong: str) -> None:
    await create(store)

    assert await store.tokens.find(wrong, now=NOW) is None


async def test_a_revoked_token_is_none_and_frees_its_name(store: Store) -> None:
    first = await create(store)
    await store.tokens.revoke("laptop", now=at(1))
    second = await create(store)

    assert await store.tokens.find(first, now=at(2)) is None
    assert await store.tokens.find(second, now=at(2)) is not None
    assert [token.revoke_time for token in await store.tokens.list()] == [at(1), None]


async def test_a_name_is_given_once(store: Store) -> None:
    await create(store)

    with pytest.raises(TokenNameTaken) as taken:
        await create(store)

    assert str(taken.value) == (
        "there is a token `laptop` already, of user alice; give this one another name, or revoke "
        "that one: ftd token revoke laptop"
    )


@pytest.mark.parametrize(
    ("name", "hint"),
    [("lapdop", "did you mean `laptop`?"), ("x", "`ftd token list` shows all")],
)
async def test_only_a_live_token_is_revoked(store: Store, name: str, hint: str) -> None:
    await create(store)

    with pytest.raises(TokenNotFound) as missing:
        await store.tokens.revoke(name, now=NOW)

    assert str(missing.value) == f"no live token has the name `{name}`; {hint}"


async def test_the_last_use_is_noted_once_a_minute(store: Store) -> None:
    token = await create(store)
    noted = []
    for seconds in (0, 59, 60):
        await store.tokens.find(token, now=at(seconds))
        noted.append((await store.tokens.list())[0].last_use_time)

    assert noted == [at(0), at(0), at(60)]


async def test_a_full_disk_keeps_nobody_out(store: Store) -> None:
    token = await create(store)

    async def full(*_: object) -> None:
        raise DiskFull("the daemon's disk is full")

    store.tokens._write = full  # type: ignore[assignment]

    assert await store.tokens.find(token, now=NOW) is not None


async def test_what_another_process_revokes_is_gone_at_once(store: Store, tmp_path: Path) -> None:
    token = await create(store)
    async with await Store.open(tmp_path / "ftd.sqlite") as other:
        await other.tokens.revoke("laptop", now=NOW)

        assert await store.tokens.find(token, now=NOW) is None


async def test_the_database_refuses_two_live_tokens_of_a_name(store: Store, tmp_path: Path) -> None:
    await create(store)
    connection = sqlite3.connect(tmp_path / "ftd.sqlite")

    with pytest.raises(sqlite3.IntegrityError):
        connection.execute(
            "INSERT INTO tokens (name, user, role, digest, create_time)"
            " VALUES ('laptop', 'u', 'user', 'd', 0)"
        )
    connection.close()
