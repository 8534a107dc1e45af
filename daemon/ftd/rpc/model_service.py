"""ModelService: decode, call, encode."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

from finetuned.v1 import model_service_pb2 as pb
from finetuned.v1 import model_service_pb2_grpc
from ftd.errors import InvalidRequest
from ftd.jobs import intake, predicting
from ftd.jobs.intake import Part
from ftd.jobs.predicting import Answer
from ftd.rpc import callers, checks
from ftd.rpc.office import Office


class ModelService(model_service_pb2_grpc.ModelServiceServicer):
    """Asks the models that jobs have made."""

    def __init__(self, office: Office) -> None:
        self._office = office

    async def PredictImages(
        self, requests: AsyncIterator[pb.PredictImagesRequest], context: Any
    ) -> AsyncGenerator[pb.PredictImagesResponse, None]:
        """Stream what a job's model says of images."""
        first = await _first(requests)
        ref, only_of = checks.job_ref(first.job), callers.current().only_of
        model = predicting.model_of(await self._office.store.get(ref, only_of=only_of))
        if first.data or first.is_last:
            raise InvalidRequest("data: the first request names the job alone; send images after")
        answered = self._office.predicting.answers(model, _parts(requests))
        async with aclosing(answered) as answers:
            async for answer in answers:
                yield _to_proto(answer)


async def _first(requests: AsyncIterator[pb.PredictImagesRequest]) -> pb.PredictImagesRequest:
    try:
        async with asyncio.timeout(intake.QUIET_S):
            return await anext(requests, pb.PredictImagesRequest())
    except TimeoutError:
        raise InvalidRequest(
            f"job: nothing came for {intake.QUIET_S:.0f} s; the first request names it"
        ) from None


async def _parts(requests: AsyncIterator[pb.PredictImagesRequest]) -> AsyncIterator[Part]:
    async for request in requests:
        if request.job:
            raise InvalidRequest("job: the first request alone names it; make another call")
        yield Part(data=request.data, is_last=request.is_last)


def _to_proto(answer: Answer) -> pb.PredictImagesResponse:
    top = [
        pb.ClassProbability(label=label, probability=probability)
        for label, probability in answer.top
    ]
    return pb.PredictImagesResponse(label=answer.label, probability=answer.probability, top=top)
