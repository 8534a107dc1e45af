"""Calls of `ftctl` within a test's own process."""

from collections.abc import Awaitable, Callable

Call = Callable[..., Awaitable[tuple[int, str, str]]]
"""Takes the words of a command; returns its exit code and what it printed, out and err."""
