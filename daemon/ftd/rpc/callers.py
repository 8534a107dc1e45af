"""Who calls: the daemon's owner on the socket, a token's user on the door to other machines."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

import grpc
import structlog

from ftd.errors import PermissionDenied, Unauthenticated
from ftd.jobs.callers import Caller
from ftd.jobs.store.tokens import Tokens
from ftd.rpc import errors

log = structlog.get_logger()

TOKEN_KEY = "authorization"
# Beyond this it is no token of ours, and not worth a look.
MOST_BYTES = 256
# How often the token of a call that goes on and on is looked at again.
AGAIN_S = 1.0
_SCHEME = "bearer "
_OPEN = "/grpc.health.v1.Health/"

Told = Callable[[str, str, float], None]
IsLive = Callable[[], Awaitable[bool]]
_CALLER: ContextVar[Caller] = ContextVar("caller")
_IS_LIVE: ContextVar[IsLive | None] = ContextVar("is_live", default=None)


def current() -> Caller:
    """Return who makes the call at hand. Fails where nobody said: no call is nobody's."""
    return _CALLER.get()


def refuse_all_but_admins(what: str) -> None:
    """Let only admins go on.

    Raises:
        PermissionDenied: saying who may do it.
    """
    caller = current()
    if not caller.is_admin:
        raise PermissionDenied(
            f"user {caller.user} may not {what}; ask an admin, or who runs the daemon for a token "
            "made with `ftd token create NAME --admin`"
        )


@contextlib.asynccontextmanager
async def while_live() -> AsyncIterator[None]:
    """Break the block off where the caller's token is revoked meanwhile.

    Raises:
        Unauthenticated
    """
    is_live = _IS_LIVE.get()
    if is_live is None:
        yield
        return
    try:
        async with asyncio.timeout(None) as limit:
            looking = asyncio.create_task(_until_revoked(is_live, limit), name="token-look")
            try:
                yield
            finally:
                looking.cancel()
    except TimeoutError:
        if limit.expired():
            raise Unauthenticated from None
        raise


async def _until_revoked(is_live: IsLive, limit: asyncio.Timeout) -> None:
    while await _may_be_live(is_live):  # noqa: ASYNC110 - another process revokes it
        await asyncio.sleep(AGAIN_S)
    limit.reschedule(asyncio.get_running_loop().time())


async def _may_be_live(is_live: IsLive) -> bool:
    try:
        return await is_live()
    except Exception:
        # A look that fails must not be the last one: the call may go on for days.
        log.exception("token_look_failed")
        return True


class Owner(grpc.aio.ServerInterceptor):
    """Makes every call the daemon's owner's: nobody else can open the socket."""

    def __init__(self, owner: Caller) -> None:
        self._owner = owner

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """Return the call's handler."""
        _CALLER.set(self._owner)
        return await continuation(handler_call_details)


class Gate(grpc.aio.ServerInterceptor):
    """Lets calls in that bring a token which is live; health alone needs none."""

    def __init__(self, tokens: Tokens, tell: Told | None = None) -> None:
        self._tokens = tokens
        self._tell: Told = tell or (lambda *_: None)

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """Return the call's handler, or one that refuses it, whether there is such a method or not.

        The token is looked up at every call: one that is revoked is refused from then on.
        """
        method = handler_call_details.method
        if method.startswith(_OPEN):
            return await continuation(handler_call_details)
        token = _token(handler_call_details.invocation_metadata)
        try:
            caller = await self._caller(token)
        except Exception:
            # Behind this the edge catches; what gRPC itself would say of it is not for callers.
            call_id = uuid.uuid4().hex[:16]
            log.exception("rpc_failed", method=method, request_id=call_id)
            return self._refusal(method, errors.internal(call_id))
        if caller is None:
            return self._refusal(method, errors.status_of(Unauthenticated()))
        _CALLER.set(caller)

        async def is_live() -> bool:
            return await self._caller(token) == caller

        _IS_LIVE.set(is_live)
        return await continuation(handler_call_details)

    async def _caller(self, token: str) -> Caller | None:
        if not token:
            return None
        found = await self._tokens.find(token, now=datetime.now(UTC))
        return found.caller if found else None

    def _refusal(self, method: str, status: grpc.Status) -> Any:
        async def refuse(_requests: Any, context: Any) -> None:
            log.info("rpc_refused", method=method, code=status.code.name, peer=context.peer())
            self._tell(method, status.code.name, 0.0)
            await context.abort_with_status(status)

        # Of this kind whatever the method is: it waits for no request, however large.
        return grpc.stream_stream_rpc_method_handler(refuse)


def _token(metadata: Any) -> str:
    """Return the token that a call brings; empty: none, or more than one."""
    given = [value for key, value in metadata or () if key == TOKEN_KEY]
    if len(given) != 1 or not isinstance(given[0], str) or len(given[0]) > MOST_BYTES:
        return ""
    text = given[0]
    return text[len(_SCHEME) :].strip() if text.lower().startswith(_SCHEME) else ""
