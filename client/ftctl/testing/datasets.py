"""The data sets of a fake daemon, in memory: it keeps what has arrived and checks digests."""

import hashlib
import re
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from finetuned.v1 import dataset_pb2
from finetuned.v1 import dataset_service_pb2 as api
from finetuned.v1.dataset_service_pb2_grpc import DatasetServiceServicer
from ftctl.errors import Fault
from ftctl.testing.ledger import USER, Ledger
from ftctl.testing.refusal import Refusal
from ftctl.upload.listing import clashes, name_fault

MOST_PIECE_BYTES = 256 * 2**10
FILES_AT_ONCE = 1000
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


@dataclass(slots=True, kw_only=True)
class _Push:
    """What was announced."""

    name: str
    files: list[dataset_pb2.DatasetFile]
    made: dataset_pb2.Dataset | None = None


class Datasets(DatasetServiceServicer):
    """DatasetService."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._pushes: dict[str, _Push] = {}
        # By digest: what is whole, and what is not yet.
        self.contents: dict[bytes, bytes] = {}
        self._parts: dict[bytes, bytearray] = {}

    def BeginPush(
        self, request_iterator: Iterator[api.BeginPushRequest], context: Any
    ) -> Iterator[api.BeginPushResponse]:
        """Take a list in; say what of it is missing."""
        name, files = "", list[dataset_pb2.DatasetFile]()
        for request in request_iterator:
            name = name or request.name
            files += request.files
        _check(name, files)
        push_id = uuid.uuid5(uuid.NAMESPACE_OID, f"{name} {_digest(files)}").hex
        with self._ledger.news:
            self._pushes[push_id] = _Push(name=name, files=files)
            missing = self._missing(files)
        for first in range(0, max(len(missing), 1), FILES_AT_ONCE):
            part = missing[first : first + FILES_AT_ONCE]
            yield api.BeginPushResponse(push_id=push_id, missing=part)

    def SendFiles(
        self, request_iterator: Iterator[api.SendFilesRequest], context: Any
    ) -> api.SendFilesResponse:
        """Take pieces of files in."""
        push, received = None, 0
        for request in request_iterator:
            with self._ledger.news:
                push = push or self._find_push(request.push_id)
                self._append(push, request)
            received += len(request.data)
        return api.SendFilesResponse(received_bytes=received)

    def FinishPush(self, request: api.FinishPushRequest, context: Any) -> api.FinishPushResponse:
        """Make the data set."""
        with self._ledger.news:
            push = self._find_push(request.push_id)
            if push.made is None:
                self._refuse_incomplete(push)
                push.made = self._keep(_dataset(push))
            return api.FinishPushResponse(dataset=_brief(push.made))

    def GetDataset(self, request: api.GetDatasetRequest, context: Any) -> api.GetDatasetResponse:
        """Return one data set."""
        with self._ledger.news:
            found = dataset_pb2.Dataset()
            found.CopyFrom(self._ledger.find_dataset(request.dataset))
            found.used_by.extend(self._used_by(found.digest))
            return api.GetDatasetResponse(dataset=found)

    def ListDatasets(
        self, request: api.ListDatasetsRequest, context: Any
    ) -> api.ListDatasetsResponse:
        """Return a page of data sets."""
        if request.page_size < 0:
            raise Refusal("INVALID_ARGUMENT", f"page_size: {request.page_size} is negative")
        size = min(request.page_size or 50, 1000)
        with self._ledger.news:
            names = [name for name in sorted(self._ledger.datasets) if name > request.page_token]
            return api.ListDatasetsResponse(
                datasets=[_brief(self._ledger.datasets[name]) for name in names[:size]],
                next_page_token=names[size - 1] if len(names) > size else "",
            )

    def DeleteDataset(
        self, request: api.DeleteDatasetRequest, context: Any
    ) -> api.DeleteDatasetResponse:
        """Forget a data set."""
        with self._ledger.news:
            found = self._ledger.find_dataset(request.dataset)
            if users := self._used_by(found.digest):
                jobs, have = ("jobs", "have") if len(users) > 1 else ("job", "has")
                raise Refusal(
                    "DATASET_IN_USE",
                    f"data set {request.dataset} is used by {jobs} {', '.join(users)}, which "
                    f"{have} not ended; delete it when that is so",
                )
            del self._ledger.datasets[found.name]
            return api.DeleteDatasetResponse()

    def _keep(self, made: dataset_pb2.Dataset) -> dataset_pb2.Dataset:
        """Have a name mean a data set; what it means already keeps its time."""
        there = self._ledger.datasets.get(made.name)
        if there is None or there.digest != made.digest:
            self._ledger.datasets[made.name] = made
        return self._ledger.datasets[made.name]

    def _find_push(self, push_id: str) -> _Push:
        if push_id not in self._pushes:
            told = f"no push `{push_id}` is known; it is done, or too old: begin it again"
            raise Refusal("PUSH_NOT_FOUND", told)
        return self._pushes[push_id]

    def _missing(self, files: Sequence[dataset_pb2.DatasetFile]) -> list[api.MissingFile]:
        """Return the first file of each content that is not whole."""
        first: dict[bytes, int] = {}
        for index, file in enumerate(files):
            if file.sha256 not in self.contents:
                first.setdefault(file.sha256, index)
        return [
            api.MissingFile(index=index, offset=len(self._parts.get(sha256, b"")))
            for sha256, index in first.items()
        ]

    def _append(self, push: _Push, piece: api.SendFilesRequest) -> None:
        if not 0 <= piece.index < len(push.files) or len(piece.data) > MOST_PIECE_BYTES:
            raise Refusal("INVALID_ARGUMENT", "this is no piece of a file that was announced")
        file = push.files[piece.index]
        if file.sha256 in self.contents:
            return
        part = self._parts.setdefault(file.sha256, bytearray())
        if piece.offset > len(part):
            raise Refusal("INVALID_ARGUMENT", f"offset: {len(part)} bytes of {file.path} are here")
        part += piece.data[len(part) - piece.offset :]
        if len(part) < file.size_bytes:
            return
        content = bytes(self._parts.pop(file.sha256))
        if hashlib.sha256(content).digest() != file.sha256:
            raise Refusal(
                "DIGEST_MISMATCH",
                f"`{file.path}` arrived with another SHA-256 than was announced; it changed "
                "meanwhile, or on the way: push again",
            )
        self.contents[file.sha256] = content

    def _refuse_incomplete(self, push: _Push) -> None:
        if lacking := self._missing(push.files):
            have = "has" if len(lacking) == 1 else "have"
            raise Refusal(
                "PUSH_INCOMPLETE",
                f"{len(lacking)} of {len(push.files)} files {have} not arrived, the first is "
                f"`{push.files[lacking[0].index].path}`; begin the push again and send what is "
                "missing",
            )

    def _used_by(self, digest: str) -> list[str]:
        return [
            entry.job.spec.name
            for entry in self._ledger.entries
            if not entry.has_ended and entry.dataset_digest == digest
        ]


def _check(name: str, files: Sequence[dataset_pb2.DatasetFile]) -> None:
    """Raise Refusal where a list cannot be a data set."""
    if not _NAME.fullmatch(name):
        raise Refusal(
            "INVALID_ARGUMENT",
            f"`{name}` is not a name: 1 to 63 of a-z, 0-9 and -, beginning and ending with a "
            "letter or digit",
        )
    faults = [
        Fault(field=f"files[{index}].path", description=f"`{file.path}` {told}")
        for index, file in enumerate(files)
        if (told := name_fault(file.path))
    ] or [*clashes([file.path for file in files])]
    if not files:
        told = "there are none; a data set needs a file at least"
        faults.append(Fault(field="files", description=told))
    if faults:
        count = len(faults)
        text = f"the list of files has {count} fault{'s' * (count > 1)}"
        raise Refusal("INVALID_DATASET", text, faults)


def _digest(files: Sequence[dataset_pb2.DatasetFile]) -> str:
    digest = hashlib.sha256()
    for file in sorted(files, key=lambda file: file.path):
        digest.update(f"{file.sha256.hex()} {file.size_bytes} {file.path}\n".encode())
    return digest.hexdigest()


def _dataset(push: _Push) -> dataset_pb2.Dataset:
    folders: dict[str, list[int]] = {}
    for file in push.files:
        folders.setdefault(file.path.rpartition("/")[0], []).append(file.size_bytes)
    made = dataset_pb2.Dataset(
        name=push.name, user=USER, digest=_digest(push.files), files=len(push.files),
        size_bytes=sum(file.size_bytes for file in push.files),
        folders=[
            dataset_pb2.DatasetFolder(path=path, files=len(sizes), size_bytes=sum(sizes))
            for path, sizes in sorted(folders.items())
        ],
    )  # fmt: skip
    made.create_time.FromDatetime(datetime.now(UTC))
    return made


def _brief(dataset: dataset_pb2.Dataset) -> dataset_pb2.Dataset:
    """Return a data set as listings show it: without its folders."""
    brief = dataset_pb2.Dataset()
    brief.CopyFrom(dataset)
    brief.ClearField("folders")
    return brief
