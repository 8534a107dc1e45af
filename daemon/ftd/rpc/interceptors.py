"""The edge of the daemon: every call gets its id, its line in the log, and its status."""

import asyncio
import contextlib
import re
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
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
# A push makes a hundred of them, which say nothing one by one.
_FREQUENT = frozenset({"/finetuned.v1.DatasetService/SendFiles"})

Told = Callable[[str, str, float], None]
"""Takes the path of a method, the name of the code, and the seconds."""
Read = Callable[[Any], Any]
"""Takes what a caller sent, a request or a stream of them; returns it decoded."""

# Whether requests and answers are streams: how gRPC calls that.
_KINDS = {
    (False, False): ("unary_unary", grpc.unary_unary_rpc_method_handler),
    (False, True): ("unary_stream", grpc.unary_stream_rpc_method_handler),
    (True, False): ("stream_unary", grpc.stream_unary_rpc_method_handler),
    (True, True): ("stream_stream", grpc.stream_stream_rpc_method_handler),
}


class Edge(grpc.aio.ServerInterceptor):
    """Surrounds every call. The one place that catches what nobody foresaw."""

    def __init__(self, tell: Told | None = None) -> None:
        self._tell: Told = tell or (lambda *_: None)
        self._under_way: set[asyncio.Task[Any]] = set()

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
        kind, make = _KINDS[handler.request_streaming, handler.response_streaming]
        surround = _streaming if handler.response_streaming else _answering
        read = _each_decoded if handler.request_streaming else _decoded
        # Requests come as bytes: gRPC itself would answer a malformed one with a bare INTERNAL.
        call = surround(method, getattr(handler, kind), partial(read, method, handler), self._tell)
        return make(self._noted(call), response_serializer=handler.response_serializer)

    async def settle(self, patience_s: float) -> None:
        """Wait for calls under way: gRPC cancels them when it stops, and does not wait for that."""
        if not self._under_way:
            return
        _, late = await asyncio.wait(self._under_way, timeout=patience_s)
        if late:
            log.warning("calls_go_on", calls=len(late), seconds=patience_s)

    def _noted(self, call: Callable[..., Any]) -> Callable[..., Any]:
        async def noted(asked: Any, context: Any) -> Any:
            task = asyncio.current_task()
            assert task is not None
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
            return await call(asked, context)

        return noted


def _answering(method: str, call: Any, read: Read, tell: Told) -> Callable[..., Any]:
    async def surrounded(asked: Any, context: Any) -> Any:
        async with _call(method, context, tell), _watched(asked):
            return await call(read(asked), context)

    return surrounded


def _streaming(method: str, call: Any, read: Read, tell: Told) -> Callable[..., Any]:
    # Writes for itself: a generator handed to gRPC would be left to the garbage collector when
    # its caller goes away while a message is being sent.
    async def surrounded(asked: Any, context: Any) -> None:
        async with _call(method, context, tell):
            stream = call(read(asked), context)
            async with contextlib.aclosing(stream) as replies, callers.while_live():
                async for reply in replies:
                    await context.write(reply)

    return surrounded


def _watched(asked: Any) -> AbstractAsyncContextManager[None]:
    """Have what may take long end with its caller's token."""
    is_one = isinstance(asked, bytes)
    return contextlib.nullcontext() if is_one else callers.while_live()


def _decoded(method: str, handler: Any, data: bytes) -> Any:
    try:
        return handler.request_deserializer(data)
    except DecodeError:
        raise InvalidRequest(
            f"the request is no well-formed message of {method}; all its texts must be UTF-8"
        ) from None


async def _each_decoded(
    method: str, handler: Any, requests: AsyncIterator[bytes]
) -> AsyncIterator[Any]:
    async for data in requests:
        yield _decoded(method, handler, data)


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
        note = log.debug if method in _FREQUENT and code is grpc.StatusCode.OK else log.info
        note("rpc", method=method, code=code.name, seconds=seconds)
        tell(method, code.name, seconds)


def _request_id(context: Any) -> str:
    given = dict(context.invocation_metadata()).get(REQUEST_ID_KEY, "")
    return given if re.fullmatch(r"[\w.-]{1,64}", given) else uuid.uuid4().hex[:16]
