"""The methods of the API, as metrics count them."""

import grpc
from google.protobuf.descriptor import FileDescriptor, MethodDescriptor

from finetuned.v1 import (
    blueprint_service_pb2,
    daemon_service_pb2,
    dataset_service_pb2,
    device_service_pb2,
    evaluation_service_pb2,
    job_service_pb2,
    model_service_pb2,
    plot_service_pb2,
    recipe_service_pb2,
    similarity_service_pb2,
)
from ftd.metrics.tally import Call, Tally
from ftd.rpc import errors
from ftd.rpc.interceptors import Told

_FILES: tuple[FileDescriptor, ...] = (
    job_service_pb2.DESCRIPTOR,
    recipe_service_pb2.DESCRIPTOR,
    device_service_pb2.DESCRIPTOR,
    daemon_service_pb2.DESCRIPTOR,
    model_service_pb2.DESCRIPTOR,
    dataset_service_pb2.DESCRIPTOR,
    plot_service_pb2.DESCRIPTOR,
    blueprint_service_pb2.DESCRIPTOR,
    evaluation_service_pb2.DESCRIPTOR,
    similarity_service_pb2.DESCRIPTOR,
)
_Code = grpc.StatusCode
_OWN_CODES = (_Code.OK, _Code.CANCELLED, _Code.INTERNAL)
CODES = tuple(dict.fromkeys(code.name for code in (*_OWN_CODES, *errors.CODES.values())))
"""Those with which our methods end; gRPC itself may give others."""


def calls() -> dict[str, Call]:
    """Return every method by its path, such as `/finetuned.v1.JobService/GetJob`."""
    return {
        f"/{service.full_name}/{method.name}": Call(
            type=_type(method), service=service.full_name, method=method.name
        )
        for file in _FILES
        for service in file.services_by_name.values()
        for method in service.methods
    }


def telling(tally: Tally) -> Told:
    """Return what an interceptor tells of calls so that they are counted."""
    known = calls()

    def tell(path: str, code: str, seconds: float) -> None:
        if (call := known.get(path)) is not None:
            tally.on_rpc(call, code, seconds)

    return tell


def _type(method: MethodDescriptor) -> str:
    match method.client_streaming, method.server_streaming:
        case False, False:
            return "unary"
        case True, False:
            return "client_stream"
        case False, True:
            return "server_stream"
    return "bidi_stream"
