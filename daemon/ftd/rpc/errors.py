"""The one place that turns a domain error into a status."""

from collections.abc import Iterable, Mapping, Sequence

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from ftd import errors
from fttrain.spec.faults import Fault

DOMAIN = "finetuned"
RETRY_S = 2
# What a status may take. It travels in the trailing metadata, of which gRPC clients accept 8 KiB
# unless told otherwise, and there in base64.
MOST_BYTES = 4500
_MOST_TEXT = 1000

_Code = grpc.StatusCode
CODES: Mapping[type[errors.DaemonError], grpc.StatusCode] = {
    errors.InvalidJob: _Code.INVALID_ARGUMENT,
    errors.InvalidRequest: _Code.INVALID_ARGUMENT,
    errors.InvalidPageToken: _Code.INVALID_ARGUMENT,
    errors.JobNotFound: _Code.NOT_FOUND,
    errors.AmbiguousJobId: _Code.INVALID_ARGUMENT,
    errors.JobNotEnded: _Code.FAILED_PRECONDITION,
    errors.JobEnded: _Code.FAILED_PRECONDITION,
    errors.JobNotRunning: _Code.FAILED_PRECONDITION,
    errors.JobInUse: _Code.FAILED_PRECONDITION,
    errors.ArtifactNotFound: _Code.NOT_FOUND,
    errors.ImagesLocked: _Code.FAILED_PRECONDITION,
    errors.DatasetNotFound: _Code.NOT_FOUND,
    errors.DatasetInUse: _Code.FAILED_PRECONDITION,
    errors.InvalidDataset: _Code.INVALID_ARGUMENT,
    errors.PushNotFound: _Code.NOT_FOUND,
    errors.PushIncomplete: _Code.FAILED_PRECONDITION,
    errors.DigestMismatch: _Code.INVALID_ARGUMENT,
    errors.DiskFull: _Code.RESOURCE_EXHAUSTED,
    errors.StoreFailed: _Code.DATA_LOSS,
    errors.NameTaken: _Code.ALREADY_EXISTS,
    errors.QueueFull: _Code.RESOURCE_EXHAUSTED,
    errors.DeviceNotFound: _Code.NOT_FOUND,
    errors.AmbiguousDeviceId: _Code.INVALID_ARGUMENT,
    errors.RequestIdReused: _Code.ALREADY_EXISTS,
    errors.WatcherTooSlow: _Code.RESOURCE_EXHAUSTED,
    errors.ShuttingDown: _Code.UNAVAILABLE,
    errors.PlannerUnavailable: _Code.UNAVAILABLE,
    errors.BadImage: _Code.INVALID_ARGUMENT,
    errors.PredictorUnavailable: _Code.UNAVAILABLE,
    errors.PlotterUnavailable: _Code.UNAVAILABLE,
    errors.EvaluatorUnavailable: _Code.UNAVAILABLE,
    errors.Unauthenticated: _Code.UNAUTHENTICATED,
    errors.PermissionDenied: _Code.PERMISSION_DENIED,
}


def status_of(error: errors.DaemonError) -> grpc.Status:
    """Return the status that tells a caller of an error, machine-readable details included."""
    info = error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN)
    if isinstance(error, errors.BadImage):
        info.metadata["image"] = str(error.place)
    details: list[Message] = [info]
    if isinstance(error, errors.InvalidJob | errors.InvalidDataset):
        details.append(_bad_request(error.faults))
    if isinstance(error, errors.ShuttingDown):
        details.append(error_details_pb2.RetryInfo(retry_delay=Duration(seconds=RETRY_S)))
    return _status(CODES.get(type(error), _Code.INTERNAL), str(error), details)


def internal(request_id: str) -> grpc.Status:
    """Return the status of a failure of ours, which says where its account is."""
    info = error_details_pb2.ErrorInfo(
        reason=errors.DaemonError.reason, domain=DOMAIN, metadata={"request_id": request_id}
    )
    message = f"the daemon failed at this; its log tells why under request_id {request_id}"
    return _status(_Code.INTERNAL, message, [info])


def _status(code: grpc.StatusCode, message: str, details: Iterable[Message]) -> grpc.Status:
    number: int = code.value[0]
    status = status_pb2.Status(code=number, message=_cut(message))
    for detail in details:
        status.details.add().Pack(detail)
    return rpc_status.to_status(status)


def _bad_request(faults: Sequence[Fault]) -> error_details_pb2.BadRequest:
    told = error_details_pb2.BadRequest()
    for position, fault in enumerate(faults):
        told.field_violations.add(field=_cut(fault.field), description=_cut(fault.description))
        if told.ByteSize() > MOST_BYTES and len(told.field_violations) > 1:
            told.field_violations.pop()
            rest = len(faults) - position
            told.field_violations.add(description=f"and {rest} more fault{'s' * (rest > 1)}")
            break
    return told


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_TEXT else f"{text[: _MOST_TEXT - 3]}..."
