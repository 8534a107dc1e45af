# Generated from ftctl/_async by `make sync`; do not edit.
"""What happens to a job, and what it prints, as it happens."""

import codecs
from collections.abc import Generator

from finetuned.v1 import job_service_pb2 as pb
from ftctl import models, wire
from ftctl._sync.connection import Connection
from ftctl._sync.stream import OnGap, resumed
from ftctl.transport import blocking as transport

NEVER = float("inf")


def events(
    connection: Connection,
    request: pb.WatchJobRequest,
    *,
    on_gap: OnGap | None = None,
    until: float = NEVER,
) -> Generator[models.Event, None]:
    """Yield the events of a job from a position on, each once and in order.

    Raises:
        WatchInterrupted, JobNotFound
        TimeoutError: where `until`, of the monotonic clock, has come.
    """
    connection.reach()
    stream = resumed(
        lambda timeout_s: connection.jobs.WatchJob(request, timeout=timeout_s),
        patience_s=connection.patience_s,
        stands_after_s=connection.stands_after_s,
        on_gap=on_gap,
        until=until,
    )
    with transport.closing(stream):
        try:
            for response in stream:
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


def log(
    connection: Connection, request: pb.TailLogRequest, *, on_gap: OnGap | None = None
) -> Generator[str, None]:
    """Yield the log of a job from a position on. Raises as `events` does."""
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    connection.reach()
    stream = resumed(
        lambda timeout_s: connection.jobs.TailLog(request, timeout=timeout_s),
        patience_s=connection.patience_s,
        stands_after_s=connection.stands_after_s,
        on_gap=on_gap,
    )
    with transport.closing(stream):
        try:
            for response in stream:
                request.offset, request.last_lines = response.next_offset, 0
                yield decoder.decode(response.data)
        except transport.RpcError as error:
            raise connection.interrupted(error, request.job) from None
