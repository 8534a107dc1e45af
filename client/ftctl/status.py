"""From a gRPC status to an error of the client."""

from collections.abc import Iterator
from typing import cast

import grpc
from google.protobuf.any_pb2 import Any
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from ftctl.errors import (
    BY_REASON,
    BadImage,
    DaemonError,
    DaemonUnreachable,
    Fault,
    FtctlError,
    InvalidDataset,
    InvalidJob,
)
from ftctl.release import version


def from_rpc(error: grpc.RpcError, *, address: str) -> FtctlError:
    """Return what a failed call means to a user."""
    info, violations = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    for detail in _details(error):
        detail.Unpack(info) or detail.Unpack(violations)
    message = error.details() or f"the daemon answered {error.code().name}"
    faults = [
        Fault(field=item.field, description=item.description)
        for item in violations.field_violations
    ]
    if info.reason == "INVALID_JOB":
        return InvalidJob(faults or [Fault(field="", description=message)])
    if info.reason == "INVALID_DATASET":
        return InvalidDataset(faults, message)
    if info.reason == "BAD_IMAGE":
        return BadImage(message, place=int(info.metadata.get("image", "0")))
    if info.reason in BY_REASON:
        return BY_REASON[info.reason](message)
    return _unexplained(error, message, address)


def _details(error: grpc.RpcError) -> Iterator[Any]:
    # The function asks for code, details and trailing metadata, which this error has too.
    status = rpc_status.from_call(cast(grpc.Call, error))
    return iter(status.details if status else ())


def _unexplained(error: grpc.RpcError, message: str, address: str) -> FtctlError:
    match error.code():
        case grpc.StatusCode.UNAVAILABLE:
            return DaemonUnreachable(f"the daemon at {address} stopped answering: {message}")
        case grpc.StatusCode.DEADLINE_EXCEEDED:
            return DaemonUnreachable(f"the daemon at {address} did not answer in time")
        case grpc.StatusCode.CANCELLED:
            return DaemonUnreachable(f"the connection to {address} was closed while it was used")
        case grpc.StatusCode.UNIMPLEMENTED:
            return DaemonError(
                f"the daemon at {address} does not know this request: it is older than ftctl "
                f"{version()}; install the same version on both sides, then restart `ftd serve`"
            )
        case _:
            return DaemonError(f"the daemon failed: {message}; its log says more")
