"""Pieces of work that the daemon does beside others."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

Work = Callable[[], Coroutine[Any, Any, None]]
Begin = Callable[..., asyncio.Task[None]]
"""Begins a piece of work: `begin(work, name=...)`."""
