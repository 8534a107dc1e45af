"""A daemon has room for many clients."""

import json
import subprocess
import sys
from typing import Any

PROBE = """
import gc, json, resource
from ftd import breadth
resource.setrlimit(resource.RLIMIT_NOFILE, (256, {hard}))
breadth.take_files()
breadth.collect_rarely()
told = resource.getrlimit(resource.RLIMIT_NOFILE), gc.get_threshold(), gc.get_freeze_count()
print(json.dumps(told))
"""


def probe(hard: int) -> Any:
    code = PROBE.format(hard=hard)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    return json.loads(done.stdout)


def test_the_daemon_takes_the_open_files_that_it_may_have() -> None:
    assert probe(hard=2000)[0] == [2000, 2000]


def test_what_is_there_at_the_start_is_never_looked_at_for_garbage() -> None:
    _, threshold, frozen = probe(hard=2000)

    assert threshold == [10_000, 10, 5]
    assert frozen > 1000
