"""Clients that watch a job, many in one process: `python -m benchmarks.watching SOCKET JOB COUNT`.

Each has a connection of its own. They heed lines on stdin and answer each with a line of JSON:
`on` has them watch, `off` leave; `hold` read nothing, as a client does whose machine is busy, and
`go` read on; `tell` asks what they have seen since they were asked last.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc

from finetuned.v1 import job_service_pb2 as pb
from finetuned.v1.job_service_pb2_grpc import JobServiceStub

# Without the first, all channels of a process share one connection; without the second, the
# transport takes in ever more of what nobody reads.
OPTIONS = (("grpc.use_local_subchannel_pool", 1), ("grpc.http2.bdp_probe", 0))
TIMELY = ("epoch", "checkpoint_saved", "notice")
"""Events that the daemon tells at once. Progress it gathers for half a second."""


@dataclass(slots=True, kw_only=True)
class Watcher:
    """One client, and what it has seen."""

    last: int
    """Number of the event behind which it begins."""
    events: int = 0
    gaps: int = 0
    cuts: int = 0
    late_s: list[float] = field(default_factory=list)
    """From when the trainer had written it to when it was here, for each timely event."""

    async def watch(self, socket: str, job: str, reading: asyncio.Event) -> None:
        """Follow a job's events to its end; take none while `reading` is not set."""
        async with grpc.aio.insecure_channel(f"unix:{socket}", OPTIONS) as channel:
            while True:
                request = pb.WatchJobRequest(job=job, after_sequence=self.last)
                call: Any = JobServiceStub(channel).WatchJob(request)
                try:
                    async for response in call:
                        self._note(response.event)
                        await reading.wait()
                    return
                except grpc.aio.AioRpcError as error:
                    if error.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED:
                        raise
                    self.cuts += 1

    def _note(self, event: Any) -> None:
        if event.WhichOneof("event") in TIMELY:
            self.late_s.append(time.time() - event.time.ToNanoseconds() / 1e9)
        self.gaps += event.sequence != self.last + 1
        self.events += 1
        self.last = event.sequence


class Crowd:
    """All watchers of this process."""

    def __init__(self, socket: str, job: str, count: int) -> None:
        self._socket = socket
        self._job = job
        self._count = count
        self._watchers: Sequence[Watcher] = ()
        self._tasks: list[asyncio.Task[None]] = []
        self._reading = asyncio.Event()
        self._reading.set()

    async def heed(self, line: str) -> dict[str, Any]:
        """Do what a line says; return the answer."""
        match line.split():
            case ["on", after]:
                self._watchers = [Watcher(last=int(after)) for _ in range(self._count)]
                self._tasks = [
                    asyncio.create_task(each.watch(self._socket, self._job, self._reading))
                    for each in self._watchers
                ]
            case ["off"]:
                for task in self._tasks:
                    task.cancel()
                await asyncio.gather(*self._tasks, return_exceptions=True)
            case ["hold"]:
                self._reading.clear()
            case ["go"]:
                self._reading.set()
        return self._told()

    def _told(self) -> dict[str, Any]:
        told = {
            "late_s": [round(late, 4) for each in self._watchers for late in each.late_s],
            "events": [each.events for each in self._watchers],
            "last": [each.last for each in self._watchers],
            "cuts": [each.cuts for each in self._watchers],
            "gaps": sum(each.gaps for each in self._watchers),
        }
        for each in self._watchers:
            each.late_s.clear()
            each.events = 0
        return told


async def main() -> None:
    """Heed lines until there are no more."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.watching")
    parser.add_argument("socket")
    parser.add_argument("job")
    parser.add_argument("count", type=int)
    told = parser.parse_args()
    crowd = Crowd(told.socket, told.job, told.count)
    while line := await asyncio.to_thread(sys.stdin.readline):
        print(json.dumps(await crowd.heed(line)), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
