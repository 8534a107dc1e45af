"""What lets one daemon have a thousand clients at a time."""

import gc
import resource

MOST_FILES = 65_536
"""Each client has one open; many systems allow a process 1,024 unless it asks for more."""
COLLECT_AFTER = (10_000, 10, 5)
"""An event for 1,000 watchers makes 20,000 objects and lets go of them. What calls leave in circles
must not add up over thousands of them."""


def take_files() -> None:
    """Take as many open files as the system grants; children inherit it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def collect_rarely() -> None:
    """Collect garbage seldom, and never look at what is there now: it stays.

    As Python would have it, all objects are looked at several times a minute while many watch:
    with 1,000 watchers a second at a time in which nobody is answered.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
