"""Watchers, however many and however slow: they lose nothing, and the trainer never waits."""

import asyncio
import contextlib
import re
import shutil
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from benchmarks import watchers
from benchmarks.crowds import Crowd, last_sequence
from ftctl import EpochEnded
from fttrain import events
from fttrain.spec import rundir
from tests.chaos.figures import Figures
from tests.e2e.recipes import endless
from tests.e2e.serving import family, records, serving
from tests.photos import make_photo_folder
from tests.wait import wait_until

FAST, SLOW = 5, 2
EVENTS = 300
"""More than may wait for one watcher, with what the transport takes in of 16 kB each."""
EPOCHS = 3
"""That a trainer does while its daemon stands still."""
_DESCRIPTOR = re.compile(r"\d+<([^>]*)>")
_CALL = re.compile(r"^\d+ +(\w+)\((?:\d+<([^>]*)>)?")


async def test_a_slow_watcher_is_cut_and_resumes_without_a_gap(tmp_path: Path) -> None:
    """R34: what was missed is told again."""
    async with watchers.beating(tmp_path, beat_s=0.02, groups=2000) as (daemon, job):
        one = {"socket": daemon.socket, "job": job}
        async with Crowd.of(FAST, **one) as fast, Crowd.of(SLOW, **one) as slow:
            await slow.watch(daemon.client, job)
            await fast.watch(daemon.client, job)
            await slow.say("hold")
            await fast.reach(await last_sequence(daemon.client, job) + EVENTS)
            await slow.say("go")
            await slow.reach(await last_sequence(daemon.client, job))
            resumed, others = await slow.say("tell"), await fast.say("tell")
        await daemon.client.cancel(job)

    assert min(resumed.cuts) >= 1
    assert (resumed.gaps, others.gaps) == (0, 0)


async def test_a_trainer_trains_on_while_its_daemon_stands_still(tmp_path: Path) -> None:
    """R22: the trainer writes to files of its own, and never waits for anybody."""
    if shutil.which("strace") is None:
        pytest.skip("calls are watched by strace: apt-get install strace")
    recipe = endless(make_photo_folder(tmp_path / "photos", per_class=4))
    recipe["data"]["workers"] = 0
    async with serving(tmp_path / "state", devices="sim:1x16GiB") as daemon:
        handle = await daemon.client.submit(recipe)
        async for event in handle.watch():
            if isinstance(event, EpochEnded):
                break
        job = await handle.get()

        def epochs() -> int:
            return sum(isinstance(record, events.EpochEnded) for record in records(job))

        daemon.process.send_signal(signal.SIGSTOP)
        try:
            async with _traced(family(job)[1].pid, tmp_path / "calls"):
                before = epochs()
                await wait_until(lambda: epochs() >= before + EPOCHS)
        finally:
            daemon.process.send_signal(signal.SIGCONT)

    calls = (tmp_path / "calls").read_text().splitlines()
    touched = {place for line in calls for place in _DESCRIPTOR.findall(line)}
    found = [match for line in calls if (match := _CALL.match(line))]
    written = {match[2] for match in found if match[1] in ("write", "writev", "pwrite64")}
    assert [place for place in touched if not place.startswith("/")] == []
    assert str(Path(job.run_dir, rundir.JOURNAL)) in written
    own = Path(job.run_dir), tmp_path / "state" / "cache"
    assert [each for each in written if not any(Path(each).is_relative_to(at) for at in own)] == []


@contextlib.asynccontextmanager
async def _traced(pid: int, out: Path) -> AsyncIterator[None]:
    """Have strace write down inside the block what a process does with files and sockets."""
    tracer = await asyncio.create_subprocess_exec(
        "strace", "-f", "-y", "-e", "trace=%desc,%network", "-p", str(pid), "-o", str(out),
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert tracer.stderr is not None
    try:
        said = await tracer.stderr.readline()
        assert b"attached" in said, said
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            tracer.terminate()
        await tracer.communicate()


@pytest.mark.chaos
@pytest.mark.timeout(900)
async def test_a_thousand_watchers_learn_of_all_in_time_and_cost_the_trainer_little(
    tmp_path: Path, figures: Figures
) -> None:
    (tmp_path / "late").mkdir()
    rows = await watchers.steps(tmp_path) + await watchers.lateness(tmp_path / "late")

    figures.tell("watchers", **{row.what: row.value for row in rows})
    assert [str(row) for row in rows if not row.holds] == []
