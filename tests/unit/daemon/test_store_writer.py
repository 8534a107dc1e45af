"""Group commit: what waits is written together, and fails alone."""

import asyncio
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, event, text

from ftd.errors import DiskFull
from ftd.jobs.store.engine import open_engines
from ftd.jobs.store.writer import LARGEST_BATCH, Writer
from tests.wait import wait_until


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    writer, reader = open_engines(tmp_path / "ftd.sqlite", readers=1)
    with writer.begin() as connection:
        connection.execute(text("CREATE TABLE lines (number INTEGER PRIMARY KEY)"))
    yield writer
    reader.dispose()
    writer.dispose()


class Gate:
    """A write that holds the writer thread until it is let go."""

    def __init__(self) -> None:
        self.is_reached = threading.Event()
        self.may_pass = threading.Event()

    def __call__(self, _connection: Connection) -> None:
        self.is_reached.set()
        self.may_pass.wait()


def add(number: int, *, fails: bool = False) -> object:
    def write(connection: Connection) -> int:
        connection.execute(text(f"INSERT INTO lines VALUES ({number})"))
        if fails:
            raise LookupError(number)
        return number

    return write


def lines(engine: Engine) -> list[int]:
    with engine.begin() as connection:
        return list(connection.scalars(text("SELECT number FROM lines ORDER BY number")))


async def behind_a_gate(writer: Writer, *writes: object) -> list[object]:
    """Run writes that all wait when the first of them is begun."""
    gate = Gate()
    tasks = [asyncio.ensure_future(writer.run(write)) for write in (gate, *writes)]
    await wait_until(gate.is_reached.is_set)
    gate.may_pass.set()
    return (await asyncio.gather(*tasks, return_exceptions=True))[1:]


async def test_writes_that_wait_are_committed_together(engine: Engine) -> None:
    commits = []
    event.listen(engine, "commit", commits.append)
    writer = Writer(engine, lambda seconds: None)

    results = await behind_a_gate(writer, *(add(number) for number in range(100)))
    await writer.close()

    assert results == list(range(100))
    assert lines(engine) == list(range(100))
    # The gate alone or with what came along, then all the rest, then the reading just now.
    assert len(commits) <= 3


async def test_no_transaction_grows_without_bound(engine: Engine) -> None:
    commits = []
    event.listen(engine, "commit", commits.append)
    writer = Writer(engine, lambda seconds: None)

    await behind_a_gate(writer, *(add(number) for number in range(2 * LARGEST_BATCH)))
    await writer.close()

    assert len(commits) >= 2


async def test_a_write_that_fails_leaves_the_others_of_its_batch(engine: Engine) -> None:
    writer = Writer(engine, lambda seconds: None)

    results = await behind_a_gate(writer, add(1), add(2, fails=True), add(3))
    await writer.close()

    assert [type(result) for result in results] == [int, LookupError, int]
    assert lines(engine) == [1, 3]


async def test_a_write_is_on_disk_when_its_caller_goes_on(engine: Engine) -> None:
    writer = Writer(engine, lambda seconds: None)

    await writer.run(add(1))

    with sqlite3.connect(str(engine.url.database)) as other:
        assert other.execute("SELECT number FROM lines").fetchall() == [(1,)]
    other.close()
    await writer.close()


async def test_where_sqlite_gives_the_transaction_up_all_its_writes_fail(engine: Engine) -> None:
    def lose_everything(connection: Connection) -> None:
        connection.exec_driver_sql("ROLLBACK")
        raise LookupError("as on a full disk")

    writer = Writer(engine, lambda seconds: None)

    results = await behind_a_gate(writer, add(1), lose_everything, add(3))
    later = await writer.run(add(4))
    await writer.close()

    assert [type(result) for result in results] == [LookupError] * 3
    assert later == 4
    assert lines(engine) == [4]


async def test_a_full_disk_is_told_and_takes_nothing(engine: Engine) -> None:
    def fill(connection: Connection) -> None:
        connection.exec_driver_sql("PRAGMA max_page_count = 1")  # no more than there are
        connection.exec_driver_sql("CREATE TABLE more (text TEXT)")
        connection.exec_driver_sql("INSERT INTO more VALUES (hex(zeroblob(1000000)))")

    writer = Writer(engine, lambda seconds: None)

    with pytest.raises(DiskFull) as error:
        await writer.run(fill)
    await writer.run(lambda connection: connection.exec_driver_sql("PRAGMA max_page_count = 9999"))
    await writer.run(add(1))
    await writer.close()

    assert str(error.value) == (
        "the daemon's disk is full, and it cannot note this down; make room there, then try again"
    )
    assert lines(engine) == [1]


async def test_a_caller_that_gives_up_does_not_take_its_write_back(engine: Engine) -> None:
    writer = Writer(engine, lambda seconds: None)
    gate = Gate()
    first = asyncio.ensure_future(writer.run(gate))
    await wait_until(gate.is_reached.is_set)
    second, third = (asyncio.ensure_future(writer.run(add(number))) for number in (1, 2))
    await asyncio.sleep(0)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    gate.may_pass.set()
    await first
    assert await third == 2
    await writer.close()

    assert lines(engine) == [1, 2]


async def test_what_waits_is_written_before_the_writer_closes(engine: Engine) -> None:
    writer = Writer(engine, lambda seconds: None)
    gate = Gate()
    tasks = [asyncio.ensure_future(writer.run(write)) for write in (gate, add(1), add(2))]
    await wait_until(gate.is_reached.is_set)
    closing = asyncio.ensure_future(writer.close())
    await asyncio.sleep(0)
    gate.may_pass.set()
    await asyncio.gather(*tasks, closing)

    assert lines(engine) == [1, 2]


async def test_a_closed_writer_refuses(engine: Engine) -> None:
    writer = Writer(engine, lambda seconds: None)
    await writer.close()

    with pytest.raises(RuntimeError, match="the store is closed"):
        await writer.run(add(1))
