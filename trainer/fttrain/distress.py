"""What a process in trouble leaves in its log: the stacks of all its threads."""

import faulthandler
import signal
import sys

ASK = signal.SIGUSR1
"""Asks for the stacks. It is answered in C: also by a thread that never comes back to Python."""


def arm() -> None:
    """Have this process and its forks write their stacks to stderr on a crash and when asked."""
    faulthandler.enable(file=sys.__stderr__ or 2)
    faulthandler.register(ASK, file=sys.__stderr__ or 2, all_threads=True, chain=False)
