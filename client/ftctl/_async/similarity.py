"""Nets of jobs compared with one another by the daemon, layer by layer."""

from finetuned.v1 import similarity_service_pb2 as pb
from ftctl import similarities
from ftctl._async.connection import AsyncConnection
from ftctl.similarities import CheckpointUsed, LayerSimilarity, Similarity

# The daemon gives a comparison half an hour, and one at a time.
DEADLINE_S = 2 * 3600.0


class AsyncSimilarities:
    """The part of a client that is about how alike nets are."""

    _connection: AsyncConnection

    async def similarity(
        self, first: str, second: str, *, images: int = 0, picture: bool = False
    ) -> Similarity:
        """Return how alike two checkpoints of one architecture are, layer by layer.

        Args:
            first: A job, JOB/best (the same) or JOB/last; differences are in lengths of its
                parameters, and its job's validation images are seen.
            second: Another one; its head may have other classes.
            images: Of which features are compared, 2 to 1024. 0: 128.
            picture: Draw it, too.

        Raises:
            InvalidRequest: where the nets are of other architectures.
            ArtifactNotFound: where a job has no such checkpoint.
        """
        refs = [
            pb.CheckpointRef(job=job, which=which)
            for job, which in map(similarities.checkpoint, (first, second))
        ]
        request = pb.MeasureSimilarityRequest(
            first=refs[0], second=refs[1], images=images, picture=picture
        )
        connection = self._connection
        told = await connection.ask(
            connection.similarities.MeasureSimilarity, request, deadline_s=DEADLINE_S
        )
        return Similarity(
            first=_side(told.first),
            second=_side(told.second),
            architecture=told.architecture,
            images=told.images,
            layers=tuple(map(_layer, told.layers)),
            only_first=tuple(told.only_first),
            only_second=tuple(told.only_second),
            notices=tuple(told.notices),
            png=told.png,
        )


def _side(told: pb.MeasuredCheckpoint) -> CheckpointUsed:
    return CheckpointUsed(
        job_id=told.job_id, job_name=told.job_name, which=told.which, epoch=told.epoch
    )


def _layer(told: pb.LayerSimilarity) -> LayerSimilarity:
    return LayerSimilarity(
        name=told.name,
        type=told.type,
        parameters=told.parameters,
        bias_cosine=told.bias_cosine if told.HasField("bias_cosine") else None,
        weight_cosine=told.weight_cosine if told.HasField("weight_cosine") else None,
        relative_l2=told.relative_l2 if told.HasField("relative_l2") else None,
        cka=told.cka if told.HasField("cka") else None,
    )
