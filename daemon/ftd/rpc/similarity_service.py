"""SimilarityService: decode, call, encode."""

import asyncio
from collections.abc import Mapping
from typing import Any

from finetuned.v1 import similarity_service_pb2 as pb
from finetuned.v1 import similarity_service_pb2_grpc
from ftd.jobs import similarity
from ftd.jobs.similarity import Checkpoint
from ftd.rpc import callers, checks
from ftd.rpc.office import Office


class SimilarityService(similarity_service_pb2_grpc.SimilarityServiceServicer):
    """Says how alike the nets of two jobs are."""

    def __init__(self, office: Office) -> None:
        self._office = office

    async def MeasureSimilarity(
        self, request: pb.MeasureSimilarityRequest, context: Any
    ) -> pb.MeasureSimilarityResponse:
        """Compare two checkpoints."""
        images = similarity.images_of(request.images)
        first, second = [await self._checkpoint(ref) for ref in (request.first, request.second)]
        found = await self._office.similarity.measure(
            first, second, images=images, picture=request.picture
        )
        body = found.body
        return pb.MeasureSimilarityResponse(
            first=_side(first, body["first"]),
            second=_side(second, body["second"]),
            architecture=body["architecture"],
            images=body["images"],
            layers=[pb.LayerSimilarity(**layer) for layer in body["layers"]],
            only_first=body["only_first"],
            only_second=body["only_second"],
            notices=body["notices"],
            png=found.png,
        )

    async def _checkpoint(self, ref: pb.CheckpointRef) -> Checkpoint:
        only_of = callers.current().only_of
        job = await self._office.store.get(checks.job_ref(ref.job), only_of=only_of)
        return await asyncio.to_thread(similarity.checkpoint_of, job, ref.which)


def _side(of: Checkpoint, told: Mapping[str, Any]) -> pb.MeasuredCheckpoint:
    return pb.MeasuredCheckpoint(
        job_id=of.job.id, job_name=of.job.name, which=of.which, epoch=told["epoch"]
    )
