"""Data sets pushed over the API, as the smallest client would."""

import hashlib
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import grpc

from finetuned.v1 import dataset_pb2, dataset_service_pb2_grpc
from finetuned.v1 import dataset_service_pb2 as pb

PIECE = 256 * 1024
FLOWERS = {"train/a/1.jpg": b"one", "train/b/2.jpg": b"two", "val/a/3.jpg": b"one"}
Files = Mapping[str, bytes]


def listed(path: str, content: bytes, **changes: Any) -> dataset_pb2.DatasetFile:
    """Return what a list says of a file."""
    fields = {"size_bytes": len(content), "sha256": hashlib.sha256(content).digest(), **changes}
    return dataset_pb2.DatasetFile(path=path, **fields)


def digest(files: Files) -> str:
    """Return a data set's digest as the API defines it."""
    lines = [
        f"{hashlib.sha256(files[path]).hexdigest()} {len(files[path])} {path}\n"
        for path in sorted(files, key=str.encode)
    ]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def pieces(push_id: str, index: int, content: bytes, offset: int = 0) -> list[pb.SendFilesRequest]:
    """Return the pieces of a file from a position on."""
    starts = range(offset, len(content), PIECE) if content else [0]
    return [
        pb.SendFilesRequest(push_id=push_id, index=index, offset=at, data=content[at : at + PIECE])
        for at in starts
    ]


async def stream(messages: Iterable[Any]) -> AsyncIterator[Any]:
    """Yield messages."""
    for message in messages:
        yield message


@dataclass(frozen=True, kw_only=True)
class Begun:
    """A push, and what is missing: places in the list -> bytes that are there."""

    push_id: str
    missing: Mapping[int, int]


@dataclass(frozen=True, kw_only=True)
class Pusher:
    """Pushes for whoever has a token; without one, for the socket's owner."""

    channel: grpc.aio.Channel
    token: str = ""

    @property
    def stub(self) -> Any:
        return dataset_service_pb2_grpc.DatasetServiceStub(self.channel)

    @property
    def metadata(self) -> list[tuple[str, str]]:
        return [("authorization", f"Bearer {self.token}")] if self.token else []

    async def push(self, files: Files, name: str = "flowers") -> dataset_pb2.Dataset:
        """Push all that is missing and return the data set."""
        begun = await self.begin(files, name)
        await self.send(begun, files)
        return await self.finish(begun.push_id)

    async def begin(self, files: Files, name: str = "flowers") -> Begun:
        return await self.begin_listed([listed(*file) for file in files.items()], name)

    async def begin_listed(
        self, files: Iterable[dataset_pb2.DatasetFile], name: str = "flowers"
    ) -> Begun:
        requests = [pb.BeginPushRequest(name=name, files=files)]
        replies = self.stub.BeginPush(stream(requests), metadata=self.metadata)
        told = [reply async for reply in replies]
        missing = {file.index: file.offset for reply in told for file in reply.missing}
        return Begun(push_id=told[0].push_id, missing=missing)

    async def send(self, begun: Begun, files: Files) -> int:
        contents = list(files.values())
        requests = [
            piece
            for index, offset in begun.missing.items()
            for piece in pieces(begun.push_id, index, contents[index], offset)
        ]
        return await self.send_pieces(requests) if requests else 0

    async def send_pieces(self, requests: Iterable[pb.SendFilesRequest]) -> int:
        reply = await self.stub.SendFiles(stream(requests), metadata=self.metadata)
        return int(reply.received_bytes)

    async def finish(self, push_id: str) -> dataset_pb2.Dataset:
        request = pb.FinishPushRequest(push_id=push_id)
        return (await self.stub.FinishPush(request, metadata=self.metadata)).dataset

    async def get(self, ref: str) -> dataset_pb2.Dataset:
        request = pb.GetDatasetRequest(dataset=ref)
        return (await self.stub.GetDataset(request, metadata=self.metadata)).dataset

    async def delete(self, ref: str) -> None:
        await self.stub.DeleteDataset(pb.DeleteDatasetRequest(dataset=ref), metadata=self.metadata)
