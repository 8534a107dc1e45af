"""What happens to a job, and what it prints, as it happens."""

import codecs
from collections.abc import AsyncGenerator

from finetuned.v1 import job_service_pb2 as pb
from ftctl import models, wire
from ftctl._async.connection import AsyncConnection
from ftctl._async.stream import OnGap, resumed
from ftctl.transport import aio as transport

NEVER = float("inf")


async def events(
    connection: AsyncConnection,
    request: pb.WatchJobRequest,
    *,
    on_gap: OnGap | None = None,
    until: float = NEVER,
) -> AsyncGenerator[models.Event, None]:
    """Yield the events of a job from a position on, each once and in order.

    Raises:
        WatchInterrupted, JobNotFound
        TimeoutError: where `until`, of the monotonic clock, has come.
    """
    await connection.reach()
    stream = resumed(
        lambda timeout_s: connection.jobs.WatchJob(request, timeout=timeout_s),
        patience_s=connection.patience_s,
        stands_after_s=connection.stands_after_s,
        on_gap=on_gap,
        until=until,
    )
    async with transport.closing(stream):
        try:
            async for response in stream:
                message = response.event
                if message.sequence <= request.after_sequence:
                    continue
                # From now on by id: a name may pass to a later job.
                request.job, request.after_sequence = message.job_id, message.sequence
                event = wire.event(message)
                if event is not None:
                    yield event
        except transport.RpcError as error:
            raise connection.interrupted(error, request.job) from None


async def log(
    connection: AsyncConnection, request: pb.TailLogRequest, *, on_gap: OnGap | None = None
) -> AsyncGenerator[str, None]:
    """Yield the log of a job from a position on. Raises as `events` does."""
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    await connection.reach()
    stream = resumed(
        lambda timeout_s: connection.jobs.TailLog(request, timeout=timeout_s),
        patience_s=connection.patience_s,
        stands_after_s=connection.stands_after_s,
        on_gap=on_gap,
    )
    async with transport.closing(stream):
        try:
            async for response in stream:
                request.offset, request.last_lines = response.next_offset, 0
                yield decoder.decode(response.data)
        except transport.RpcError as error:
            raise connection.interrupted(error, request.job) from None
