"""DatasetService: decode, call, encode."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

from finetuned.v1 import dataset_service_pb2 as pb
from finetuned.v1 import dataset_service_pb2_grpc
from ftd.rpc import callers, checks, pushing
from ftd.rpc.office import Office


class DatasetService(dataset_service_pb2_grpc.DatasetServiceServicer):
    """Takes data sets in, shows and deletes them."""

    def __init__(self, office: Office) -> None:
        self._depot = office.datasets
        self._records = office.store.datasets

    async def BeginPush(
        self, requests: AsyncIterator[pb.BeginPushRequest], context: Any
    ) -> AsyncGenerator[pb.BeginPushResponse, None]:
        """Begin a push, or go on with one."""
        begun = await pushing.first(requests)
        name, parts = pushing.name(begun.name), pushing.parts(begun, requests)
        told = self._depot.begin(parts, name=name, caller=callers.current())
        async with aclosing(told) as replies:
            async for missing in replies:
                yield pushing.missing_to_proto(missing)

    async def SendFiles(
        self, requests: AsyncIterator[pb.SendFilesRequest], context: Any
    ) -> pb.SendFilesResponse:
        """Take in the content of files."""
        begun = await pushing.first(requests)
        pieces = pushing.pieces(begun, requests)
        received = await self._depot.receive(begun.push_id, pieces, caller=callers.current())
        return pb.SendFilesResponse(received_bytes=received)

    async def FinishPush(
        self, request: pb.FinishPushRequest, context: Any
    ) -> pb.FinishPushResponse:
        """Make the data set of a push."""
        made = await self._depot.finish(request.push_id, caller=callers.current())
        return pb.FinishPushResponse(dataset=pushing.dataset_to_proto(made))

    async def GetDataset(
        self, request: pb.GetDatasetRequest, context: Any
    ) -> pb.GetDatasetResponse:
        """Get one data set."""
        caller = callers.current()
        found = await self._records.find(pushing.ref(request.dataset), caller)
        folders = await self._records.folders(found)
        users = await self._records.used_by(found, caller)
        return pb.GetDatasetResponse(dataset=pushing.dataset_to_proto(found, folders, users))

    async def ListDatasets(
        self, request: pb.ListDatasetsRequest, context: Any
    ) -> pb.ListDatasetsResponse:
        """List a page of data sets."""
        size = checks.page_size(request.page_size)
        only_of = callers.current().only_of
        found, token = await self._records.list(size, request.page_token, only_of=only_of)
        datasets = [pushing.dataset_to_proto(dataset) for dataset in found]
        return pb.ListDatasetsResponse(datasets=datasets, next_page_token=token)

    async def DeleteDataset(
        self, request: pb.DeleteDatasetRequest, context: Any
    ) -> pb.DeleteDatasetResponse:
        """Delete a data set."""
        await self._depot.delete(pushing.ref(request.dataset), caller=callers.current())
        return pb.DeleteDatasetResponse()
