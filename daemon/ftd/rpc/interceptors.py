"""The edge of the daemon: every call gets its id, its line in the log, and its status."""

import asyncio
import contextlib
import re
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
import structlog
from google.protobuf.message import DecodeError

from ftd.errors import DaemonError, InvalidRequest
from ftd.rpc import callers, errors

log = structlog.get_logger()

# Sent by a client that wants to find its call in the daemon's log.
REQUEST_ID_KEY = "x-request-id"
# Ours. Not so health, asked every few seconds by whoever supervises the daemon, and reflection.
_OURS = "/finetuned."


Told = Callable[[str, str, float], None]
"""Takes the path of a method, the name of the code, and the seconds."""


class Edge(grpc.aio.ServerInterceptor):
    """Surrounds every call. The one place that catches what nobody foresaw."""

    def __init__(self, tell: Told | None = None) -> None:
        self._tell: Told = tell or (lambda *_: None)

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """Return the call's handler, surrounded."""
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None or not method.startswith(_OURS):
            return handler
        # Requests come as bytes: gRPC itself would answer a malformed one with a bare INTERNAL.
        encode = {"response_serializer": handler.response_serializer}
        if handler.unary_stream:
            return grpc.unary_stream_rpc_method_handler(
                _streaming(method, handler, self._tell), **encode
            )
        return grpc.unary_unary_rpc_method_handler(
            _answering(method, handler, self._tell), **encode
        )


def _answering(method: str, handler: Any, tell: Told) -> Callable[..., Any]:
    async def surrounded(data: bytes, context: Any) -> Any:
        async with _call(method, context, tell):
            return await handler.unary_unary(_decoded(method, handler, data), context)

    return surrounded


def _streaming(method: str, handler: Any, tell: Told) -> Callable[..., Any]:
    # Writes for itself: a generator handed to gRPC would be left to the garbage collector when
    # its caller goes away while a message is being sent.
    async def surrounded(data: bytes, context: Any) -> None:
        async with _call(method, context, tell):
            stream = handler.unary_stream(_decoded(method, handler, data), context)
            async with contextlib.aclosing(stream) as replies, callers.while_live():
                async for reply in replies:
                    await context.write(reply)

    return surrounded


def _decoded(method: str, handler: Any, data: bytes) -> Any:
    try:
        return handler.request_deserializer(data)
    except DecodeError:
        raise InvalidRequest(
            f"the request is no well-formed message of {method}; all its texts must be UTF-8"
        ) from None


@contextlib.asynccontextmanager
async def _call(method: str, context: Any, tell: Told) -> AsyncIterator[None]:
    request_id = _request_id(context)
    structlog.contextvars.bind_contextvars(request_id=request_id, user=callers.current().user)
    begin, code = time.monotonic(), grpc.StatusCode.OK
    try:
        yield
    except asyncio.CancelledError:
        # Passed on: a handler that returns after its caller went away leaks in gRPC's core
        # (grpc/grpc#43360).
        code = grpc.StatusCode.CANCELLED
        raise
    except DaemonError as error:
        status = errors.status_of(error)
        code = status.code
        await context.abort_with_status(status)
    except Exception:
        log.exception("rpc_failed", method=method)
        code = grpc.StatusCode.INTERNAL
        await context.abort_with_status(errors.internal(request_id))
    finally:
        seconds = round(time.monotonic() - begin, 6)
        log.info("rpc", method=method, code=code.name, seconds=seconds)
        tell(method, code.name, seconds)


def _request_id(context: Any) -> str:
    given = dict(context.invocation_metadata()).get(REQUEST_ID_KEY, "")
    return given if re.fullmatch(r"[\w.-]{1,64}", given) else uuid.uuid4().hex[:16]
