"""The jobs of a daemon, one after another or as a table."""

from collections.abc import AsyncGenerator, Iterable, Mapping

from finetuned.v1 import job_service_pb2 as pb
from ftctl import models, wire
from ftctl._async.connection import AsyncConnection
from ftctl.tables import Jobs
from ftctl.transport import aio as transport


class AsyncListing:
    """The part of a client that lists jobs."""

    _connection: AsyncConnection

    async def list(
        self,
        *,
        states: Iterable[models.JobState] = (),
        name: str = "",
        labels: Mapping[str, str] | None = None,
        user: str = "",
        page_size: int = 0,
    ) -> AsyncGenerator[models.Job, None]:
        """Yield the jobs that meet all that is given, latest first, asking page by page.

        Args:
            states: In one of these; none: in any.
            name: Of a name like this: `*` is any text, `?` any character.
            labels: With all of these.
            user: Of this user.
            page_size: So many at a time; 0: as the daemon likes.
        """
        request = pb.ListJobsRequest(
            page_size=page_size, states=wire.states(tuple(states)), name=name, labels=labels,
            user=user,
        )  # fmt: skip
        while True:
            page = await self._connection.ask(self._connection.jobs.ListJobs, request)
            for job in page.jobs:
                yield wire.job(job)
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def jobs(self, *, states: Iterable[models.JobState] = (), limit: int = 50) -> Jobs:
        """Return the latest jobs in these states (none: in all), at most `limit`, as a table."""
        found: list[models.Job] = []
        async with transport.closing(self.list(states=states, page_size=min(limit, 1000))) as all_:
            async for job in all_:
                if len(found) >= limit:
                    break
                found.append(job)
        return Jobs(found)
