# Generated from ftctl/_async by `make sync`; do not edit.
"""A push: the list, what the daemon lacks of it, and again after each cut."""

import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import takewhile

import grpc

from finetuned.v1 import dataset_service_pb2 as pb
from ftctl import channel, datasetwire, status
from ftctl._sync.connection import Connection
from ftctl._sync.stream import Gap
from ftctl.datasets import Dataset, OnProgress, PushPhase, PushProgress
from ftctl.errors import DigestMismatch, FtctlError, PushIncomplete, PushInterrupted, PushNotFound
from ftctl.transport import blocking as transport
from ftctl.upload import digests as kept
from ftctl.upload import pieces, source
from ftctl.upload.content import Reader
from ftctl.upload.listing import Listing

# The daemon stops or restarts, or the line is cut or dead.
CUT = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}
# A call that takes longer runs over a dead line, or one so slow that the next is to be smaller.
SEND_DEADLINE_S = 120.0
# A daemon that forgets a push again and again is to be heard.
MOST_RESTARTS = 3
# Digests are computed so long before who waits is told.
_STEP_S = 0.1


def push(connection: Connection, name: str, path: source.Source, tell: OnProgress) -> Dataset:
    """Push a folder or an archive; return the data set. Raises as `push_dataset` says."""
    tell(PushProgress(phase=PushPhase.LISTING))
    listing = transport.from_disk(partial(source.listing, path))
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
        while step := transport.from_disk(partial(_step, computed)):
            known += [item for item in step if isinstance(item, bytes)]
            read = sum(item for item in step if isinstance(item, int))
            told = replace(told, done_bytes=told.done_bytes + read)
            tell(told)
        try:
            return SyncPush(connection, name, listing, known, reader, told, tell).run()
        except DigestMismatch:
            cache.forget(listing)
            raise


def _step(items: Iterator[bytes | int]) -> list[bytes | int]:
    """Take items for a moment; none: there are no more."""
    end = time.monotonic() + _STEP_S
    step = list(takewhile(lambda _: time.monotonic() < end, items))
    return step
