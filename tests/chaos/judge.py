"""Tells answers that the API promises from those that it does not."""

import functools
import re
from collections.abc import Iterator, Mapping, Set
from pathlib import Path

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.rpc import error_details_pb2, status_pb2

from ftctl import Job, OutcomeReason
from ftd.rpc.errors import CODES, DOMAIN

_PROTO = Path(__file__).parents[2] / "proto"
_OURS = {
    "INTERNAL",
    "PLANNER_UNAVAILABLE",
    "PREDICTOR_UNAVAILABLE",
    "PLOTTER_UNAVAILABLE",
    "EVALUATOR_UNAVAILABLE",
}
"""Reasons that are promised, but for no request: something of ours broke."""
_TOO_LARGE = "Received message larger than max"
_WELL_ENDED = {
    OutcomeReason.BAD_RECIPE, OutcomeReason.DEPENDENCY_FAILED, OutcomeReason.CANCELLED_BY_USER,
    OutcomeReason.COMPLETED,
}  # fmt: skip


def fault_of(method: MethodDescriptor, error: grpc.aio.AioRpcError) -> str:
    """Return what is wrong with an error; empty where it is as promised."""
    code = error.code()
    info = _info(error)
    if info is None and code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        # Beyond 4 MiB gRPC itself answers, before any code of ours sees the message.
        return "" if _TOO_LARGE in (error.details() or "") else f"{error.details()}"
    if info is None:
        return f"{code.name} without ErrorInfo ({error.details()})"
    if info.reason in _OURS:
        return f"{info.reason}: {error.details()}"
    allowed = {kind.reason: CODES[kind] for kind in CODES}
    if info.domain != DOMAIN or allowed.get(info.reason) is not code:
        return f"{code.name} with {info.domain} {info.reason} ({error.details()})"
    if info.reason not in _documented()[method.containing_service.name]:
        return f"{info.reason} is not among the reasons of {method.containing_service.name}"
    return ""


def told_by(error: grpc.aio.AioRpcError) -> str:
    """Return code and reason of an error."""
    info = _info(error)
    return f"{error.code().name} {info.reason if info else '?'}"


def fault_of_end(job: Job) -> str:
    """Return what is wrong with the end of a job that never started; empty where nothing is."""
    if job.outcome is None or job.outcome.reason in _WELL_ENDED:
        return ""
    return f"a job ended {job.outcome.reason}: {job.outcome.message}"


def faults_of_log(log: Path) -> Iterator[str]:
    """Yield what a daemon's log tells that it should not have to."""
    for line in log.read_text(errors="replace").splitlines():
        if "exception" in line or "Traceback" in line or not line.startswith("{"):
            yield f"the daemon's log: {line[:2000]}"


@functools.cache
def _documented() -> Mapping[str, Set[str]]:
    """Return the reasons that the comment of each service names."""
    found = {}
    for file in _PROTO.rglob("*_service.proto"):
        text = file.read_text()
        for service in re.findall(r"^service (\w+)", text, re.MULTILINE):
            comment = text[: text.index(f"service {service} ")].rpartition("\n\n")[2]
            found[service] = set(re.findall(r"\b[A-Z]+(?:_[A-Z]+)*\b", comment))
    return found


def _info(error: grpc.aio.AioRpcError) -> error_details_pb2.ErrorInfo | None:
    trailing = dict(error.trailing_metadata() or ())
    status = status_pb2.Status.FromString(trailing.get("grpc-status-details-bin", b""))
    for packed in status.details:
        info = error_details_pb2.ErrorInfo()
        if packed.Unpack(info):
            return info
    return None
