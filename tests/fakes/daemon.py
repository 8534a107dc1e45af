"""A daemon whose jobs do nothing: `python -m tests.fakes.daemon ftd serve ...` for real signals.

A job named `runs` is started at once, so that the daemon holds one.
"""

import contextlib
import sys
from collections.abc import AsyncIterator

from ftd import server
from ftd.__main__ import main
from ftd.config import Config
from ftd.jobs.broadcast import Broadcast
from ftd.jobs.callers import Caller
from ftd.jobs.model import Job, JobRequest
from ftd.jobs.store import HOUSE, Store
from ftd.metrics.tally import Tally
from tests.fakes.office import FakeOffice


class Starter(FakeOffice):
    async def submit(self, request: JobRequest, *, request_id: str, caller: Caller = HOUSE) -> Job:
        job = await super().submit(request, request_id=request_id, caller=caller)
        return await self.start(job.id) if job.name == "runs" else job


@contextlib.asynccontextmanager
async def open_office(
    _config: Config, store: Store, broadcast: Broadcast, _tally: Tally
) -> AsyncIterator[FakeOffice]:
    yield Starter(store, broadcast)


if __name__ == "__main__":
    server.serve.__kwdefaults__["open_office"] = open_office
    sys.exit(main(sys.argv[1:]))
