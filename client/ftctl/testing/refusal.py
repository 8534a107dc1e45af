"""Answers of a daemon other than OK, with the details that its real sibling sends."""

from collections.abc import Mapping, Sequence

import grpc
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from ftctl.errors import Fault

_Code = grpc.StatusCode
CODES = {
    "INVALID_JOB": _Code.INVALID_ARGUMENT,
    "INVALID_ARGUMENT": _Code.INVALID_ARGUMENT,
    "INVALID_PAGE_TOKEN": _Code.INVALID_ARGUMENT,
    "JOB_NOT_FOUND": _Code.NOT_FOUND,
    "AMBIGUOUS_JOB_ID": _Code.INVALID_ARGUMENT,
    "JOB_NOT_ENDED": _Code.FAILED_PRECONDITION,
    "JOB_ENDED": _Code.FAILED_PRECONDITION,
    "JOB_NOT_RUNNING": _Code.FAILED_PRECONDITION,
    "JOB_IN_USE": _Code.FAILED_PRECONDITION,
    "ARTIFACT_NOT_FOUND": _Code.NOT_FOUND,
    "TEST_LOCKED": _Code.FAILED_PRECONDITION,
    "NAME_TAKEN": _Code.ALREADY_EXISTS,
    "QUEUE_FULL": _Code.RESOURCE_EXHAUSTED,
    "DEVICE_NOT_FOUND": _Code.NOT_FOUND,
    "AMBIGUOUS_DEVICE_ID": _Code.INVALID_ARGUMENT,
    "DATASET_NOT_FOUND": _Code.NOT_FOUND,
    "DATASET_IN_USE": _Code.FAILED_PRECONDITION,
    "INVALID_DATASET": _Code.INVALID_ARGUMENT,
    "PUSH_NOT_FOUND": _Code.NOT_FOUND,
    "PUSH_INCOMPLETE": _Code.FAILED_PRECONDITION,
    "DIGEST_MISMATCH": _Code.INVALID_ARGUMENT,
    "DISK_FULL": _Code.RESOURCE_EXHAUSTED,
    "STORE_FAILED": _Code.DATA_LOSS,
    "REQUEST_ID_REUSED": _Code.ALREADY_EXISTS,
    "WATCHER_TOO_SLOW": _Code.RESOURCE_EXHAUSTED,
    "UNAUTHENTICATED": _Code.UNAUTHENTICATED,
    "PERMISSION_DENIED": _Code.PERMISSION_DENIED,
    "SHUTTING_DOWN": _Code.UNAVAILABLE,
    "PLANNER_UNAVAILABLE": _Code.UNAVAILABLE,
    "BAD_IMAGE": _Code.INVALID_ARGUMENT,
    "PREDICTOR_UNAVAILABLE": _Code.UNAVAILABLE,
    "PLOTTER_UNAVAILABLE": _Code.UNAVAILABLE,
    "EVALUATOR_UNAVAILABLE": _Code.UNAVAILABLE,
    "INTERNAL": _Code.INTERNAL,
}


class Refusal(Exception):
    """What a call is answered with: one of the reasons above, and why."""

    def __init__(
        self,
        reason: str,
        message: str,
        faults: Sequence[Fault] = (),
        *,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.faults = tuple(faults)
        self.metadata = dict(metadata or {})

    def status(self) -> grpc.Status:
        """Return it as gRPC sends it."""
        told = status_pb2.Status(code=CODES[self.reason].value[0], message=str(self))
        info = error_details_pb2.ErrorInfo(
            reason=self.reason, domain="finetuned", metadata=self.metadata
        )
        told.details.add().Pack(info)
        if self.faults:
            bad = error_details_pb2.BadRequest()
            for fault in self.faults:
                bad.field_violations.add(field=fault.field, description=fault.description)
            told.details.add().Pack(bad)
        status: grpc.Status = rpc_status.to_status(told)
        return status


def invalid_job(faults: Sequence[Fault]) -> Refusal:
    """Return what a job with faults is answered with."""
    count = len(faults)
    return Refusal("INVALID_JOB", f"the job has {count} fault{'s' * (count > 1)}", faults)
