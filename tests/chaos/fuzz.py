"""Requests of every kind, sound, odd and broken, at a real daemon: none may end it or baffle it.

Run as `python -m tests.chaos.fuzz [COUNT] [--seed N]`; `--replay "METHOD TEXT"` sends one that an
earlier run has printed. Jobs that get through never start: they wait for the year 9999, and are
cancelled and deleted all along.
"""

import argparse
import asyncio
import contextlib
import re
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import grpc
from google.protobuf.message_factory import GetMessageClass

from ftctl import DaemonUnreachable, FtctlError, JobState
from ftctl.transport import aio
from tests.chaos import judge
from tests.chaos.calls import Call, Known, calls
from tests.chaos.figures import seed_of_this_run
from tests.e2e.recipes import small
from tests.e2e.serving import Serving, serving
from tests.photos import make_photo_folder

COUNT = 100_000
WARM = 10_000
"""Requests after which memory should stay."""
MOST_SLOPE_BYTES = 2**20
"""Of 10,000 requests once it is warm."""
LOOK_EVERY = 500
AT_ONCE = 8
DEADLINE_S = 120.0
"""No answer takes so long: what does, hangs."""
FOLLOWED_S = 0.2
"""What follows a job is left after so long."""
_MOST_REPLIES = 30
_FOLLOWING = {"WatchJob", "TailLog"}
_MOST_SHOWN = 50


@dataclass(slots=True, kw_only=True)
class Fuzzed:
    """What came of it."""

    count: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    """Codes and reasons -> how often."""
    faults: list[str] = field(default_factory=list)
    memory: list[tuple[int, int]] = field(default_factory=list)
    """Requests so far, and resident bytes that are the daemon's own."""
    seconds: float = 0.0

    def slope_bytes(self) -> float:
        """Return by how much the memory grows with 10,000 requests once it is warm."""
        points = [(count, size) for count, size in self.memory if count >= WARM]
        if len(points) < 3:
            return 0.0
        middle = sum(count for count, _ in points) / len(points)
        spread = sum((count - middle) ** 2 for count, _ in points)
        return 10_000 * sum((count - middle) * size for count, size in points) / spread

    def lines(self) -> Iterator[str]:
        """Yield what is printed."""
        yield from (f"{count:>8,} {answer}" for answer, count in self.answers.most_common())
        memory = [f"{size / 2**20:.1f}" for _, size in self.memory]
        yield f"own resident MiB: {' '.join(memory[:: max(len(memory) // 20, 1)])}"
        yield f"slope per 10,000 requests: {self.slope_bytes() / 2**20:.2f} MiB"
        yield from self.faults[:_MOST_SHOWN]
        yield f"{self.count:,} requests in {self.seconds:.0f} s; {len(self.faults)} faults"


async def fuzz(folder: Path, *, count: int, seed: int, only: str = "") -> Fuzzed:
    """Send so many calls, of one method or of all; return what came of them."""
    async with _target(folder) as target:
        await target.send(calls(target.known, count=count, seed=seed, only=only))
        return target.told


async def replay(folder: Path, text: str) -> Fuzzed:
    """Send one call that an earlier run has printed."""
    async with _target(folder) as target:
        await target.send([Call.of(text)])
        return target.told


@contextlib.asynccontextmanager
async def _target(folder: Path) -> AsyncIterator["_Target"]:
    """Start a daemon that has a job with a model; read its log once it is gone."""
    photos = make_photo_folder(folder / "photos", per_class=4)
    job = small(photos, epochs=1, name="model")
    job["data"]["workers"] = 0
    async with serving(folder / "state", devices="sim:2x16GiB") as daemon:
        handle = await daemon.client.submit(job)
        assert (await handle.wait()).state is JobState.SUCCEEDED
        whole = await daemon.client.schema()
        schema = {**whole["else"], "$defs": whole["$defs"]}  # based on no other recipe
        target = _Target(daemon=daemon, known=Known(photos=photos, schema=schema, model=handle.id))
        yield target
    if daemon.process.returncode:
        target.told.faults.append(f"the daemon ended with {daemon.process.returncode}")
    target.told.faults += judge.faults_of_log(folder / "daemon.log")


@dataclass(slots=True, kw_only=True)
class _Target:
    """A daemon that is sent calls."""

    daemon: Serving
    known: Known
    told: Fuzzed = field(default_factory=Fuzzed)

    async def send(self, made: Iterable[Call]) -> None:
        """Send calls, some at a time; look after the daemon all along."""
        begin, waiting = time.monotonic(), iter(made)
        channel = grpc.aio.insecure_channel(f"unix:{self.daemon.socket}")
        async with channel, asyncio.TaskGroup() as tasks:
            for _ in range(AT_ONCE):
                tasks.create_task(self._work(channel, waiting))
        await self._look()
        self.told.seconds = time.monotonic() - begin

    async def _work(self, channel: grpc.aio.Channel, waiting: Iterator[Call]) -> None:
        for call in waiting:
            await self._one(channel, call)
            self.told.count += 1
            if self.told.count % LOOK_EVERY == 0:
                await self._look()

    async def _one(self, channel: grpc.aio.Channel, call: Call) -> None:
        fault, answer = f"no answer within {DEADLINE_S:.0f} s", "no answer"
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DEADLINE_S):
                fault, answer = await self._ask(channel, call)
        self.told.answers[answer] += 1
        if fault:
            self.told.faults.append(f"{fault}: {call}")

    async def _ask(self, channel: grpc.aio.Channel, call: Call) -> tuple[str, str]:
        try:
            replies = await _replies(channel, call)
        except grpc.aio.AioRpcError as error:
            return judge.fault_of(call.method, error), judge.told_by(error)
        kind = GetMessageClass(call.method.output_type)
        for reply in replies:
            self.known.learn(kind.FromString(reply))
        return "", "OK"

    async def _look(self) -> None:
        """Note the memory; clear away the jobs that got through."""
        self.told.memory.append((self.told.count, own_bytes(self.daemon.process.pid)))
        # A busy machine may be late; what does not get away now does so at the next look.
        with contextlib.suppress(DaemonUnreachable):
            await self._clear()

    async def _clear(self) -> None:
        client = self.daemon.client
        async for job in client.list(page_size=100):
            if job.id != self.known.model:
                self.told.faults += filter(None, [judge.fault_of_end(job)])
                with contextlib.suppress(FtctlError):  # somebody else was faster, or needs it
                    await client.cancel(job.id)
                    await client.delete(job.id)


def own_bytes(pid: int) -> int:
    """Return the resident memory that a process has written itself.

    Pages of files come and go as the kernel likes: their noise would hide what grows.
    """
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"RssAnon:\s+(\d+) kB", status)
    assert found is not None
    return 1024 * int(found[1])


async def _replies(channel: Any, call: Call) -> list[bytes]:
    """Make a call; return the first of what is answered."""
    match call.method.client_streaming, call.method.server_streaming:
        case False, False:
            return [await channel.unary_unary(call.path)(call.requests[0])]
        case True, False:
            method = channel.stream_unary(call.path)
            return [await aio.sent(method, call.requests, deadline_s=DEADLINE_S)]
        case False, True:
            stream = channel.unary_stream(call.path)(call.requests[0])
        case _:
            stream = channel.stream_stream(call.path)(iter(call.requests))
    within = FOLLOWED_S if call.method.name in _FOLLOWING else None
    replies: list[bytes] = []
    ending = aio.Ending(stream)
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                while len(replies) < _MOST_REPLIES:
                    if (reply := await stream.read()) is grpc.aio.EOF:
                        break
                    replies.append(reply)
    except grpc.aio.AioRpcError as error:
        raise await ending.of(error) from None
    finally:
        stream.cancel()
    return replies


def main() -> int:
    """Fuzz, print what came of it; return 1 where something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m tests.chaos.fuzz")
    parser.add_argument("count", nargs="?", type=int, default=COUNT)
    parser.add_argument("--seed", type=int, default=seed_of_this_run())
    parser.add_argument("--only", default="", metavar="METHOD", help="such as SubmitJob")
    parser.add_argument("--replay", help="METHOD TEXT, as an earlier run has printed it")
    told = parser.parse_args()
    with TemporaryDirectory(prefix="fuzz-") as name:
        if told.replay:
            fuzzed = asyncio.run(replay(Path(name), told.replay))
        else:
            print(f"seed {told.seed}")
            work = fuzz(Path(name), count=told.count, seed=told.seed, only=told.only)
            fuzzed = asyncio.run(work)
    print(*fuzzed.lines(), sep="\n")
    return 1 if fuzzed.faults or fuzzed.slope_bytes() > MOST_SLOPE_BYTES else 0


if __name__ == "__main__":
    sys.exit(main())
