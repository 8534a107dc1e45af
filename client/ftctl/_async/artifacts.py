"""What jobs have made: listed, fetched, and deleted with their jobs."""

from collections.abc import Callable
from pathlib import Path

from finetuned.v1 import job_service_pb2 as pb
from ftctl import part, wire
from ftctl._async.connection import AsyncConnection
from ftctl._async.stream import resumed
from ftctl.errors import DaemonError
from ftctl.models import ArtifactFile
from ftctl.transport import aio as transport

OnPulled = Callable[[int, int], None]
"""Is told how many bytes have come, and of how many."""
_TRIES = 3


class AsyncArtifacts:
    """The part of a client that is about what jobs have made."""

    _connection: AsyncConnection

    async def artifacts(self, job: str) -> tuple[ArtifactFile, ...]:
        """Return the files that a job has made, in the order in which they were made."""
        connection = self._connection
        request = pb.ListArtifactsRequest(job=job)
        response = await connection.ask(connection.jobs.ListArtifacts, request)
        return tuple(map(wire.artifact_file, response.artifacts))

    async def pull(
        self,
        job: str,
        kind: str = "model",
        to: str | Path = ".",
        *,
        on_progress: OnPulled | None = None,
    ) -> Path:
        """Fetch a file that a job has made; return where it lies.

        It is there whole or not at all; a file of that name is replaced. Where the stream is cut
        it goes on by itself.

        Args:
            job: Id, prefix of an id, or name.
            kind: Which one, as `artifacts` calls it.
            to: A folder that is there, or the file's path.
            on_progress: Told how far it is.

        Raises:
            ArtifactNotFound: saying what there is.
        """
        found = next((each for each in await self.artifacts(job) if each.kind == kind), None)
        place = part.place(Path(to), found.name if found else kind)
        with part.Part(place) as fetched:
            for _ in range(_TRIES):
                request = pb.PullArtifactRequest(job=job, kind=kind)
                sha256 = await self._fetch(request, fetched, on_progress)
                if fetched.keep(sha256):
                    return place
                # A checkpoint took the place of the one that was begun.
                fetched.begin_again()
        raise DaemonError(f"{kind} of {job} changed while it was fetched; fetch it again")

    async def delete(self, job: str) -> None:
        """Delete a job that has ended: its record, its log, and all that it has made.

        Raises:
            JobNotEnded, JobInUse: see their sentences.
        """
        connection = self._connection
        await connection.ask(connection.jobs.DeleteJob, pb.DeleteJobRequest(job=job))

    async def _fetch(
        self, request: pb.PullArtifactRequest, fetched: part.Part, on_progress: OnPulled | None
    ) -> str:
        """Fetch the rest of a file; return the digest of the whole."""
        connection = self._connection
        await connection.reach()
        stream = resumed(
            lambda timeout_s: connection.jobs.PullArtifact(request, timeout=timeout_s),
            patience_s=connection.patience_s,
            stands_after_s=connection.stands_after_s,
        )
        sha256 = ""
        async with transport.closing(stream):
            try:
                async for response in stream:
                    fetched.add(response.data)
                    request.offset, sha256 = fetched.size, response.sha256
                    if on_progress is not None:
                        on_progress(fetched.size, response.size_bytes)
            except transport.RpcError as error:
                raise connection.interrupted(error, request.job) from None
        return sha256
