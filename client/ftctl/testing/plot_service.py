"""PlotService of a fake daemon: a picture of one pixel."""

import base64
from typing import Any

from finetuned.v1 import job_pb2
from finetuned.v1 import plot_service_pb2 as api
from finetuned.v1.plot_service_pb2_grpc import PlotServiceServicer
from ftctl.testing.ledger import Ledger
from ftctl.testing.refusal import Refusal

KINDS = (
    "curves", "confusion", "confusion-test", "predictions", "mistakes", "filters", "features",
    "guided_backprop", "augmentations",
)  # fmt: skip
MOST_RUNS = 8
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg"
    "gg=="
)


class Plots(PlotServiceServicer):
    """PlotService."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def PlotJob(self, request: api.PlotJobRequest, context: Any) -> api.PlotJobResponse:
        """Draw nothing much."""
        kind = request.kind or "curves"
        with self._ledger.news:
            jobs = [self._ledger.find(ref).job for ref in request.jobs or [""]]
        if kind not in KINDS:
            raise Refusal("INVALID_ARGUMENT", f"kind: there is no picture `{kind}`")
        for job in jobs:
            _check(job, kind)
        return api.PlotJobResponse(png=PNG)

    def PlotRuns(self, request: api.PlotRunsRequest, context: Any) -> api.PlotRunsResponse:
        """Draw nothing much."""
        if not 0 < len(request.runs) <= MOST_RUNS:
            told = f"runs: 1 to {MOST_RUNS} in one picture, not {len(request.runs)}"
            raise Refusal("INVALID_ARGUMENT", told)
        for place, run in enumerate(request.runs):
            if not run.epochs:
                told = f"runs[{place}]: {run.title} has no curves yet: no epoch of it has ended"
                raise Refusal("INVALID_ARGUMENT", told)
        return api.PlotRunsResponse(png=PNG)


def _check(job: job_pb2.Job, kind: str) -> None:
    name = job.spec.name
    if kind == "curves":
        if not job.epochs:
            told = f"job {name} has no curves yet: no epoch of it has ended"
            raise Refusal("ARTIFACT_NOT_FOUND", told)
    elif f"data/{kind}" not in {artifact.kind for artifact in job.artifacts}:
        raise Refusal("ARTIFACT_NOT_FOUND", f"job {name} has nothing to draw as {kind}")
