"""Between the API's data sets and what users of the client see and send."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from finetuned.v1 import dataset_pb2
from finetuned.v1 import dataset_service_pb2 as pb
from ftctl import datasets, wire
from ftctl.upload.listing import Entry

FILES_AT_ONCE = 1000


def dataset(message: dataset_pb2.Dataset) -> datasets.Dataset:
    """Read a data set."""
    return datasets.Dataset(
        name=message.name,
        user=message.user,
        digest=message.digest,
        files=message.files,
        size_bytes=message.size_bytes,
        create_time=wire.time(message, "create_time"),
        folders=tuple(
            datasets.DatasetFolder(path=item.path, files=item.files, size_bytes=item.size_bytes)
            for item in message.folders
        ),
        used_by=tuple(message.used_by),
    )


@dataclass(frozen=True, slots=True)
class Digested:
    """A file of a data set, and the SHA-256 of its content."""

    entry: Entry
    sha256: bytes


def digested(entries: Sequence[Entry], digests: Sequence[bytes]) -> list[Digested]:
    """Return files with their digests."""
    return [Digested(entry, sha256) for entry, sha256 in zip(entries, digests, strict=True)]


def listed(name: str, files: Sequence[Digested]) -> Iterator[pb.BeginPushRequest]:
    """Yield the list of files of a data set in parts."""
    for first in range(0, len(files), FILES_AT_ONCE):
        yield pb.BeginPushRequest(
            name="" if first else name,
            files=[_file(file) for file in files[first : first + FILES_AT_ONCE]],
        )


def _file(file: Digested) -> dataset_pb2.DatasetFile:
    return dataset_pb2.DatasetFile(
        path=file.entry.path, size_bytes=file.entry.size_bytes, sha256=file.sha256
    )
