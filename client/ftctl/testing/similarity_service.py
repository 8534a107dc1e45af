"""SimilarityService of a fake daemon: figures that are made up, and 1 where a net is compared with
itself."""

from typing import Any

from finetuned.v1 import job_pb2
from finetuned.v1 import similarity_service_pb2 as api
from finetuned.v1.similarity_service_pb2_grpc import SimilarityServiceServicer
from ftctl.testing.ledger import Entry, Ledger
from ftctl.testing.plot_service import PNG
from ftctl.testing.refusal import Refusal

IMAGES, MOST = 128, 1024
LAYERS = (
    ("features.0.0", "Conv2d", 144),
    ("features.0.1", "BatchNorm2d", 32),
    ("head", "Linear", 650),
)


class Similarities(SimilarityServiceServicer):
    """SimilarityService."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def MeasureSimilarity(
        self, request: api.MeasureSimilarityRequest, context: Any
    ) -> api.MeasureSimilarityResponse:
        """Make figures up."""
        if request.images and not 2 <= request.images <= MOST:
            told = f"images: should be 2 to {MOST}, not {request.images}"
            raise Refusal("INVALID_ARGUMENT", told)
        with self._ledger.news:
            sides = [self._side(ref) for ref in (request.first, request.second)]
        is_same = sides[0] == sides[1]
        return api.MeasureSimilarityResponse(
            first=sides[0],
            second=sides[1],
            architecture="cnn",
            images=request.images or IMAGES,
            layers=[_layer(*layer, is_same=is_same) for layer in LAYERS],
            png=PNG if request.picture else b"",
        )

    def _side(self, ref: api.CheckpointRef) -> api.MeasuredCheckpoint:
        entry, which = self._ledger.find(ref.job), ref.which or "best"
        if which not in ("best", "last"):
            told = f"which: there is no checkpoint `{which}`; there are best and last"
            raise Refusal("INVALID_ARGUMENT", told)
        job = entry.job
        if not job.epochs:
            raise Refusal("ARTIFACT_NOT_FOUND", _without(entry, which))
        return api.MeasuredCheckpoint(
            job_id=job.id, job_name=job.spec.name, which=which, epoch=job.epochs[-1].epoch
        )


def _without(entry: Entry, which: str) -> str:
    name = entry.job.spec.name
    state = job_pb2.JobState.Name(entry.job.state).removeprefix("JOB_STATE_")
    if which == "last":
        return (
            f"job {name} has no last checkpoint: it is {state.lower()}; `ftctl get {name}` says "
            "more"
        )
    if entry.has_ended:
        return (
            f"job {name} ended {state} before an epoch was evaluated: it has no checkpoint; "
            f"`ftctl get {name}` says why"
        )
    return (
        f"job {name} has no checkpoint yet: it is {state.lower()}, and no epoch of it has been "
        f"evaluated; `ftctl watch {name}` shows when"
    )


def _layer(name: str, type_: str, parameters: int, *, is_same: bool) -> api.LayerSimilarity:
    told = api.LayerSimilarity(
        name=name, type=type_, parameters=parameters, weight_cosine=1.0 if is_same else 0.5,
        relative_l2=0.0 if is_same else 1.0, cka=1.0 if is_same else 0.75,
    )  # fmt: skip
    if type_ != "Conv2d":
        told.bias_cosine = 1.0 if is_same else 0.25
    return told
