"""ModelService of a fake daemon: answers that are made up, the same ones for the same image."""

import json
import zlib
from collections.abc import Iterator
from typing import Any

from finetuned.v1 import job_pb2
from finetuned.v1 import model_service_pb2 as api
from finetuned.v1.model_service_pb2_grpc import ModelServiceServicer
from ftctl.testing.ledger import Entry, Ledger
from ftctl.testing.refusal import Refusal

# How the files of images begin, each with the place where that stands.
BEGINNINGS = (
    (0, b"\xff\xd8\xff"), (0, b"\x89PNG\r\n"), (8, b"WEBP"), (0, b"BM"), (0, b"II*\0"),
    (0, b"MM\0*"), (0, b"GIF8"),
)  # fmt: skip


class Models(ModelServiceServicer):
    """ModelService."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def PredictImages(
        self, requests: Iterator[api.PredictImagesRequest], context: Any
    ) -> Iterator[api.PredictImagesResponse]:
        """Say something of each image."""
        first = next(requests, api.PredictImagesRequest())
        with self._ledger.news:
            classes = _classes(self._ledger.find(first.job))
        for place, image in enumerate(_images(requests), start=1):
            yield _answer(_checked(image, place), classes)


def _classes(entry: Entry) -> list[str]:
    """Return the classes of a job's model. Raises Refusal where it has none."""
    job, name = entry.job, entry.job.spec.name
    if any(artifact.kind == "model" for artifact in job.artifacts):
        return [str(each) for each in json.loads(job.plan_json)["data"]["classes"]]
    state = job_pb2.JobState.Name(job.state).removeprefix("JOB_STATE_")
    if entry.has_ended:
        told = f"job {name} ended {state} before it had a model; `ftctl get {name}` says why"
    else:
        told = (
            f"job {name} has no model yet: it is still {state.lower()}; wait for its end with "
            f"`ftctl watch {name}`"
        )
    raise Refusal("ARTIFACT_NOT_FOUND", told)


def _images(requests: Iterator[api.PredictImagesRequest]) -> Iterator[bytes]:
    parts: list[bytes] = []
    for request in requests:
        parts.append(request.data)
        if request.is_last:
            yield b"".join(parts)
            parts = []


def _checked(image: bytes, place: int) -> bytes:
    if any(image.startswith(mark, start) for start, mark in BEGINNINGS):
        return image
    begins = f"it begins with {image[:12]!r}" if image else "it is empty"
    raise Refusal(
        "BAD_IMAGE",
        f"image {place} is no image of a known kind: {begins}",
        metadata={"image": str(place)},
    )


def _answer(image: bytes, classes: list[str]) -> api.PredictImagesResponse:
    number = zlib.crc32(image)
    probability = 0.5 + number % 500 / 1000
    best = number % len(classes)
    rest = [each for position, each in enumerate(classes) if position != best]
    top = [(classes[best], probability)]
    top += [(each, (1 - probability) / len(rest)) for each in rest]
    return api.PredictImagesResponse(
        label=classes[best],
        probability=probability,
        top=[api.ClassProbability(label=label, probability=share) for label, share in top[:5]],
    )
