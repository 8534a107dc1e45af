"""A push: the list, what the daemon lacks of it, and again after each cut."""

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

import grpc

from finetuned.v1 import dataset_service_pb2 as pb
from ftctl import channel, datasetwire, status
from ftctl._async.connection import AsyncConnection
from ftctl._async.stream import Gap
from ftctl.datasets import Dataset, OnProgress, PushPhase, PushProgress
from ftctl.errors import (
    DigestMismatch,
    InvalidRequest,
    PushIncomplete,
    PushInterrupted,
    PushNotFound,
)
from ftctl.transport import aio as transport
from ftctl.upload import digests as kept
from ftctl.upload import pieces, source
from ftctl.upload.content import Reader

# The daemon stops or restarts, or the line is cut or dead.
CUT = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}
# A call that takes longer runs over a dead line, or one so slow that the next is to be smaller.
SEND_DEADLINE_S = 120.0
# A daemon that forgets a push again and again is to be heard.
MOST_RESTARTS = 3
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
# Digests are computed so long before who waits is told.
_STEP_S = 0.1


async def push(
    connection: AsyncConnection, name: str, path: source.Source, tell: OnProgress
) -> Dataset:
    """Push a folder or an archive; return the data set. Raises as `push_dataset` says."""
    if not _NAME.fullmatch(name):
        raise InvalidRequest(
            f"`{name}` is not a name: 1 to 63 of a-z, 0-9 and -, beginning and ending with a "
            "letter or digit"
        )
    await connection.reach()
    tell(PushProgress(phase=PushPhase.LISTING))
    listing = await transport.aside(partial(source.listing, path))
    with Reader(listing) as reader, kept.Cache(kept.place()) as cache:
        told = PushProgress(
            phase=PushPhase.DIGESTING,
            files=len(listing.entries),
            size_bytes=listing.size_bytes,
            left_out=listing.left_out,
            common_folder=listing.common_folder,
        )
        tell(told)
        known: list[bytes] = []
        computed = kept.computed(listing, reader, cache)
        while step := await transport.aside(partial(_step, computed)):
            known += [item for item in step if isinstance(item, bytes)]
            read = sum(item for item in step if isinstance(item, int))
            told = replace(told, done_bytes=told.done_bytes + read)
            tell(told)
        try:
            files = datasetwire.digested(listing.entries, known)
            return await _Push(connection, files, reader, told, tell).run(name)
        except DigestMismatch:
            cache.forget(listing)
            raise


def _step(items: Iterator[bytes | int]) -> list[bytes | int]:
    """Take items for a moment; none: there are no more."""
    end = time.monotonic() + _STEP_S
    step: list[bytes | int] = []
    for item in items:
        step.append(item)
        if time.monotonic() > end:
            break
    return step


class _Push:
    """One push, over all its cuts."""

    def __init__(
        self,
        connection: AsyncConnection,
        files: Sequence[datasetwire.Digested],
        reader: Reader,
        told: PushProgress,
        tell: OnProgress,
    ) -> None:
        self._connection = connection
        self._files = files
        self._reader = reader
        self._told = replace(told, phase=PushPhase.SENDING, done_bytes=0)
        self._tell = tell
        self._gap = Gap(self._tell_gap)
        self._lacking_bytes: int | None = None
        """What the daemon lacked when the push began."""
        self._most_bytes = -1
        """What it had at its best."""
        self._restarts = 0

    async def run(self, name: str) -> Dataset:
        """Push; return the data set."""
        while True:
            try:
                push_id, missing = await self._begin(name)
                await self._send(push_id, missing)
                return await self._finish(push_id)
            except transport.RpcError as error:
                self._weigh(error, name)
            self._gap.go_on()
            await transport.sleep(self._gap.pause_s())

    async def _begin(self, name: str) -> tuple[str, list[pb.MissingFile]]:
        """Send the list; return the push and what the daemon lacks."""
        push_id, missing = "", list[pb.MissingFile]()
        begin = partial(
            self._connection.datasets.BeginPush,
            datasetwire.listed(name, self._files),
            timeout=channel.STREAM_DEADLINE_S,
        )
        call = transport.opened(begin)
        ending = transport.Ending(call)
        try:
            async for response in call:
                push_id = response.push_id
                missing += response.missing
        except transport.RpcError as error:
            raise await ending.of(error) from None
        finally:
            call.cancel()
        lacking = sum(self._files[file.index].entry.size_bytes - file.offset for file in missing)
        if self._lacking_bytes is None:
            self._lacking_bytes = lacking
            self._told = replace(self._told, missing_files=len(missing))
        self._arrived(self._told.size_bytes - lacking)
        return push_id, missing

    async def _send(self, push_id: str, missing: Sequence[pb.MissingFile]) -> None:
        """Send what is missing, call by call."""
        entries = [file.entry for file in self._files]
        most_bytes = pieces.call_bytes(self._lacking_bytes or 0)
        calls = pieces.calls(entries, missing, self._reader, most_bytes)
        while call := await transport.aside(partial(next, calls, None)):
            call[0].push_id = push_id
            size_bytes = sum(len(piece.data) for piece in call)
            self._told = replace(self._told, sent_bytes=self._told.sent_bytes + size_bytes)
            method = self._connection.datasets.SendFiles
            await transport.sent(method, call, deadline_s=SEND_DEADLINE_S)
            self._arrived(self._told.done_bytes + size_bytes)

    async def _finish(self, push_id: str) -> Dataset:
        request = pb.FinishPushRequest(push_id=push_id)
        response = await self._connection.datasets.FinishPush(
            request, timeout=channel.STREAM_DEADLINE_S
        )
        self._tell(replace(self._told, phase=PushPhase.DONE))
        return datasetwire.dataset(response.dataset)

    def _arrived(self, done_bytes: int) -> None:
        """Take in how much the daemon has."""
        self._told = replace(self._told, done_bytes=done_bytes)
        if done_bytes > self._most_bytes:
            self._most_bytes, self._restarts = done_bytes, 0
            self._gap.end()
        self._tell(self._told)

    def _weigh(self, error: transport.RpcError, name: str) -> None:
        """Return where another try is worth it; raise where it is not."""
        failure = status.from_rpc(error, address=str(self._connection.address))
        if isinstance(failure, PushNotFound | PushIncomplete) and self._restarts < MOST_RESTARTS:
            self._restarts += 1
            return
        if error.code() not in CUT:
            raise failure from None
        if self._gap.seconds > self._connection.patience_s:
            raise PushInterrupted(
                f"the daemon at {self._connection.address} has been away for "
                f"{self._connection.patience_s:g} s; what has arrived of {name} stays there, and "
                "the same push goes on from it"
            ) from None

    def _tell_gap(self, seconds: float | None) -> None:
        phase = PushPhase.SENDING if seconds is None else PushPhase.INTERRUPTED
        self._tell(replace(self._told, phase=phase, away_seconds=seconds))
