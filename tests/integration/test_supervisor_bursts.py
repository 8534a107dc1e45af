"""Many jobs at once: each is started once, on the devices that it asked for."""

import asyncio
from pathlib import Path

from tests.fakes.supervising import daemon, states_of, submit, watch


async def test_jobs_that_come_while_others_are_being_started_start_nobody_twice(
    tmp_path: Path,
) -> None:
    async with daemon(tmp_path, devices="sim:4x16GiB") as supervisor:
        jobs = [await submit(supervisor, f"finish-{number}") for number in range(24)]

        told = await asyncio.gather(*(watch(supervisor, job) for job in jobs))
        attempts = await supervisor.store.attempts([job.id for job in jobs])

    ways = {tuple(states_of(events)) for events in told}
    assert ways == {("queued", "starting", "running", "succeeded")}
    assert [each.number for each in attempts] == [1] * len(jobs)
    assert [len(each.devices) for each in attempts] == [1] * len(jobs)
