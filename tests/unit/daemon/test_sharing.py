"""What many use at a time and one alone: never both."""

import asyncio

from ftd.jobs.sharing import Shared
from tests.wait import wait_until


async def test_who_must_be_alone_waits_for_users_and_they_for_him() -> None:
    shared, told = Shared(), []
    leave, done = asyncio.Event(), asyncio.Event()

    async def use(name: str) -> None:
        async with shared.used():
            told.append(f"{name} in")
            await leave.wait()
            told.append(f"{name} out")

    async def be_alone() -> None:
        async with shared.alone():
            told.append("alone in")
            late.append(asyncio.ensure_future(use("late")))
            await asyncio.sleep(0)
            await done.wait()
            told.append("alone out")

    late: list[asyncio.Future[None]] = []
    users = [asyncio.ensure_future(use(name)) for name in ("a", "b")]
    await wait_until(lambda: len(told) == 2)
    alone = asyncio.ensure_future(be_alone())
    await asyncio.sleep(0)
    leave.set()
    await wait_until(lambda: "alone in" in told)
    done.set()
    await asyncio.gather(*users, alone)
    await asyncio.gather(*late)

    assert told == [
        "a in", "b in", "a out", "b out", "alone in", "alone out", "late in", "late out",
    ]  # fmt: skip


async def test_who_gives_up_waiting_keeps_nobody_out() -> None:
    shared = Shared()
    async with shared.used():
        waiting = asyncio.ensure_future(shared.alone().__aenter__())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)

        async with shared.used():
            pass
    async with shared.alone():
        pass
