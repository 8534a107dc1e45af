"""Something that many may use at a time, or one alone."""

import asyncio
import contextlib
from collections.abc import AsyncIterator


class Shared:
    """Lets users in together, and one that must be alone when no user is there."""

    def __init__(self) -> None:
        self._users = 0
        self._is_closed = False
        self._changed = asyncio.Condition()

    @contextlib.asynccontextmanager
    async def used(self) -> AsyncIterator[None]:
        """Use it inside the block, with others."""
        async with self._changed:
            await self._changed.wait_for(lambda: not self._is_closed)
            self._users += 1
        try:
            yield
        finally:
            async with self._changed:
                self._users -= 1
                self._changed.notify_all()

    @contextlib.asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Have it alone inside the block."""
        async with self._changed:
            await self._changed.wait_for(lambda: not (self._users or self._is_closed))
            self._is_closed = True
        try:
            yield
        finally:
            async with self._changed:
                self._is_closed = False
                self._changed.notify_all()
