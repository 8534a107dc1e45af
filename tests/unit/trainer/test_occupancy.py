"""How many jobs run: told by the zygote, seen by what it has forked before."""

import os
from collections.abc import Callable

from fttrain.occupancy import Occupancy


def in_a_child(look: Callable[[], bool], after: Callable[[], None]) -> bool:
    """Fork, do something here, then look there."""
    told, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(tell)
        os.read(told, 1)
        os._exit(int(look()))
    after()
    os.close(told)
    os.close(tell)
    return bool(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


def test_a_forked_process_sees_when_a_job_begins_and_when_the_last_has_ended() -> None:
    jobs = Occupancy()
    assert not jobs.is_any()
    assert in_a_child(jobs.is_any, lambda: jobs.begin(7))
    assert in_a_child(jobs.is_any, lambda: (jobs.begin(8), jobs.end(7))[0])
    assert not in_a_child(jobs.is_any, lambda: jobs.end(8))


def test_processes_that_are_no_job_do_not_matter() -> None:
    jobs = Occupancy()
    jobs.begin(7)
    jobs.end(9)
    jobs.begin(7)
    assert jobs.is_any()
    jobs.end(7)
    assert not jobs.is_any()
