"""Answers of a daemon other than OK, with their details."""

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status


class Refusal(Exception):
    """An answer other than OK, with its details."""

    def __init__(
        self,
        code: grpc.StatusCode,
        reason: str,
        message: str,
        violations: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(message)
        details: list[Message] = [error_details_pb2.ErrorInfo(reason=reason, domain="finetuned")]
        if violations:
            bad = error_details_pb2.BadRequest()
            for field, description in violations:
                bad.field_violations.add(field=field, description=description)
            details.append(bad)
        packed = [AnyMessage() for _ in details]
        for wrapper, detail in zip(packed, details, strict=True):
            wrapper.Pack(detail)
        self.status = rpc_status.to_status(
            status_pb2.Status(code=code.value[0], message=message, details=packed)
        )


def invalid(*violations: tuple[str, str]) -> Refusal:
    """Return what the daemon answers to a job with faults."""
    message = f"the job has {len(violations)} faults"
    return Refusal(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_JOB", message, violations)


async def refuse(context, refusal: Refusal) -> None:
    """Answer a call so."""
    status = refusal.status
    await context.abort(status.code, status.details, status.trailing_metadata)
