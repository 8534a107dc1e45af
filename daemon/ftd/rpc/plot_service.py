"""PlotService: decode, call, encode."""

from collections.abc import Sequence
from typing import Any

from finetuned.v1 import plot_service_pb2 as pb
from finetuned.v1 import plot_service_pb2_grpc
from ftd.errors import InvalidRequest
from ftd.jobs import plotting
from ftd.jobs.plotting import Wish
from ftd.rpc import callers, checks, curves
from ftd.rpc.office import Office

MOST_JOBS = 8
MOST_METRICS = 16
_SCALES = {
    pb.AXIS_SCALE_UNSPECIFIED: None,
    pb.AXIS_SCALE_LINEAR: "linear",
    pb.AXIS_SCALE_LOG: "log",
}


class PlotService(plot_service_pb2_grpc.PlotServiceServicer):
    """Draws what jobs have measured."""

    def __init__(self, office: Office) -> None:
        self._office = office

    async def PlotJob(self, request: pb.PlotJobRequest, context: Any) -> pb.PlotJobResponse:
        """Draw one picture."""
        wish, only_of = _wish(request), callers.current().only_of
        found = [
            await self._office.store.get(checks.job_ref(ref), only_of=only_of)
            for ref in request.jobs or [""]
        ]
        numbers = [plotting.numbers_of(job, wish.kind) for job in found]
        return pb.PlotJobResponse(png=await self._office.plotting.draw(wish, numbers))

    async def PlotRuns(self, request: pb.PlotRunsRequest, context: Any) -> pb.PlotRunsResponse:
        """Draw the curves of runs that come with the request."""
        wish = Wish(
            kind=plotting.RUNS,
            x=_scale("x", request.x),
            y=_scale("y", request.y),
            metrics=_metrics(request.metrics),
        )
        numbers = curves.bodies(request.runs)
        return pb.PlotRunsResponse(png=await self._office.plotting.draw(wish, numbers))


def _wish(request: pb.PlotJobRequest) -> Wish:
    if len(request.jobs) > MOST_JOBS:
        raise InvalidRequest(f"jobs: at most {MOST_JOBS} in one picture, not {len(request.jobs)}")
    return Wish(
        kind=request.kind or plotting.CURVES,
        x=_scale("x", request.x),
        y=_scale("y", request.y),
        metrics=_metrics(request.metrics),
    )


def _metrics(names: Sequence[str]) -> tuple[str, ...]:
    if len(names) > MOST_METRICS:
        raise InvalidRequest(f"metrics: at most {MOST_METRICS}, not {len(names)}")
    return tuple(names)


def _scale(name: str, number: int) -> str | None:
    known = {int(value): scale for value, scale in _SCALES.items()}
    if number not in known:
        raise InvalidRequest(f"{name}: {number} is no scale that this daemon knows")
    return known[number]
