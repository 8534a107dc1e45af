"""The requests and replies of pushes and data sets, checked and turned into the model's."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TypeVar

from finetuned.v1 import dataset_pb2
from finetuned.v1 import dataset_service_pb2 as pb
from ftd.datasets.arrivals import Piece
from ftd.datasets.filelist import Entry
from ftd.errors import InvalidRequest
from ftd.jobs.depot import Missing
from ftd.jobs.store.datasets import Dataset
from ftd.rpc.convert import time_to_proto

T = TypeVar("T")
Requests = AsyncIterator[T]

SILENCE_S = 600.0
"""A stream from which nothing comes for so long is ended: it holds files open."""
MOST_FILES = 1000
"""In one request."""
MOST_REF = 255
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def name(given: str) -> str:
    """Return the name of a data set to be, if it is one.

    Raises:
        InvalidRequest
    """
    if not _NAME.fullmatch(given):
        raise InvalidRequest(
            f"name: `{given[:63]}` is not a name: 1 to 63 of a-z, 0-9 and -, beginning and ending "
            "with a letter or digit"
        )
    return given


def ref(given: str) -> str:
    """Return what a request calls a data set, if one can be called so.

    Raises:
        InvalidRequest
    """
    if not 0 < len(given) <= MOST_REF:
        raise InvalidRequest("dataset: say which, by its name; USER/NAME for another user's")
    return given


async def first(requests: Requests[T]) -> T:
    """Return the first request of a stream.

    Raises:
        InvalidRequest: where there is none.
    """
    async for request in spaced(requests):
        return request
    raise InvalidRequest("the stream ended before its first request, which says what it is about")


async def spaced(requests: Requests[T]) -> AsyncIterator[T]:
    """Yield requests as they come.

    Raises:
        InvalidRequest: where none comes for long.
    """
    while True:
        try:
            async with asyncio.timeout(SILENCE_S):
                request = await anext(requests)
        except StopAsyncIteration:
            return
        except TimeoutError:
            text = f"nothing came for {SILENCE_S:.0f} s; begin again, what has arrived is kept"
            raise InvalidRequest(text) from None
        yield request


async def parts(
    begun: pb.BeginPushRequest, requests: Requests[pb.BeginPushRequest]
) -> AsyncIterator[list[Entry]]:
    """Yield the list of files in its parts.

    Raises:
        InvalidRequest: for a part that is too long.
    """
    yield _entries(begun)
    async for request in spaced(requests):
        yield _entries(request)


async def pieces(
    begun: pb.SendFilesRequest, requests: Requests[pb.SendFilesRequest]
) -> AsyncIterator[Piece]:
    """Yield pieces of files."""
    yield _piece(begun)
    async for request in spaced(requests):
        yield _piece(request)


def missing_to_proto(missing: Missing) -> pb.BeginPushResponse:
    """Return what is missing as the API tells it."""
    files = [pb.MissingFile(index=index, offset=offset) for index, offset in missing.files]
    return pb.BeginPushResponse(push_id=missing.push_id, missing=files)


def dataset_to_proto(
    dataset: Dataset,
    folders: Mapping[str, Sequence[int]] | None = None,
    used_by: Sequence[str] = (),
) -> dataset_pb2.Dataset:
    """Return a data set as the API tells it. `folders`: path -> files and bytes."""
    return dataset_pb2.Dataset(
        name=dataset.name,
        user=dataset.user,
        digest=dataset.digest,
        files=dataset.files,
        size_bytes=dataset.size_bytes,
        create_time=time_to_proto(dataset.create_time),
        folders=[
            dataset_pb2.DatasetFolder(path=path, files=files, size_bytes=size)
            for path, (files, size) in (folders or {}).items()
        ],
        used_by=used_by,
    )


def _entries(request: pb.BeginPushRequest) -> list[Entry]:
    if len(request.files) > MOST_FILES:
        text = f"files: {len(request.files)} in one request; at most {MOST_FILES}"
        raise InvalidRequest(text)
    return [
        Entry(path=file.path, size_bytes=file.size_bytes, sha256=file.sha256)
        for file in request.files
    ]


def _piece(request: pb.SendFilesRequest) -> Piece:
    return Piece(number=request.index, offset=request.offset, data=request.data)
