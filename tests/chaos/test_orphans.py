"""What a trainer leaves behind is ended and named within 5 s, and only then is its device free.

Real daemon (without its RPC layer), zygote, shims, processes and signals.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest

from ftd.devices import accounts, observer
from ftd.jobs import cgroup, crew, sweep, waiting
from ftd.jobs.cgroup import Group
from ftd.jobs.fleet import DeviceState
from ftd.jobs.model import EventKind, Job, JobState
from ftd.jobs.supervisor import Supervisor
from fttrain.spec import rundir
from tests.chaos import brood
from tests.chaos.figures import Figures
from tests.fakes import metrics
from tests.fakes.holding import MIB
from tests.fakes.supervising import daemon, submit, until, watch, worker_of
from tests.wait import wait_until

COMMAND = (sys.executable, "-P", str(Path(brood.__file__)))
SIM = "sim:1x16GiB"
LIMIT_S = 5.0
ENDED = "Processes that outlived the worker were ended: "
Kill = Callable[[Job], None]


@pytest.fixture
def zygote(monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """The command of the zygote; it finds this project's tests."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parent.parent.parent))
    return COMMAND


@pytest.fixture(autouse=True)
def nothing_stays(tmp_path: Path) -> Iterator[None]:
    """End what a test that fails has left."""
    yield
    for run_dir in tmp_path.glob("runs/*/*"):
        for pid in filter(brood.is_there, brood.left_in(run_dir)):
            os.kill(pid, signal.SIGKILL)


async def running(supervisor: Supervisor, name: str) -> Job:
    """Submit a job and return it as it runs."""
    job = await submit(supervisor, name)
    await until(supervisor, job, JobState.RUNNING)
    return await supervisor.store.get(job.id)


def kill_shim(job: Job) -> None:
    """End the shim of a job, so that its worker loses its parent and nobody is left above."""
    shim = rundir.read_shim(Path(job.run_dir))
    assert shim is not None
    os.kill(shim.pid, signal.SIGKILL)


def kill_worker(job: Job) -> None:
    """End the worker of a job; its shim is left."""
    worker_of(job).kill()


async def gone(pids: dict[int, str], began: float) -> float:
    """Return the seconds until none of some processes is there."""
    await wait_until(lambda: not any(map(brood.is_there, pids)))
    return time.monotonic() - began


async def notices(supervisor: Supervisor, job: Job) -> list[str]:
    """Return what was said of a job so far."""
    events = await supervisor.store.events(job.id, 0, 1000)
    return [event.body["message"] for event in events if event.kind is EventKind.NOTICE]


async def named(supervisor: Supervisor, job: Job, pids: dict[int, str]) -> list[str]:
    """Return the kinds of processes that no notice names."""
    said = "".join(each for each in await notices(supervisor, job) if each.startswith(ENDED))
    return [kind for pid, kind in pids.items() if f"({pid})" not in said]


def next_of(job: Job) -> Path:
    return Path(job.run_dir).with_name(str(job.attempt + 1))


@pytest.mark.parametrize("kill", [kill_worker, kill_shim])
async def test_all_that_a_trainer_leaves_is_ended_and_named_before_its_device_is_free(
    tmp_path: Path, zygote: tuple[str, ...], kill: Kill
) -> None:
    async with daemon(tmp_path, zygote, devices=SIM) as supervisor:
        job = await running(supervisor, "brood-and-wait")
        left = brood.left_in(Path(job.run_dir))
        kill(job)
        took = await gone(left, time.monotonic())
        await wait_until(lambda: is_over(supervisor, job))
        await supervisor.cancel(job.id)
        follower = await submit(supervisor, "finish")
        await watch(supervisor, follower)

        print(f"{len(left)} processes ended {took:.2f} s after {kill.__name__}")
        assert len(left) == len(brood.KINDS)
        assert took < LIMIT_S
        assert await named(supervisor, job, left) == []
        # Whoever had the device next found none of them.
        ended = await supervisor.store.get(follower.id)
        assert ended.state is JobState.SUCCEEDED
        assert brood.all_seen(tmp_path / "runs") == []
        await wait_until(lambda: supervisor.standings()[0].state is DeviceState.FREE)


def is_over(supervisor: Supervisor, job: Job) -> bool:
    """Whether an attempt of a job is over: the job has ended, or another one has begun."""
    now = supervisor.ledger.find(job.id)
    return now is None or now.attempt != job.attempt or now.state is JobState.QUEUED


async def test_what_outlives_a_trainer_that_ends_well_is_named(
    tmp_path: Path, zygote: tuple[str, ...]
) -> None:
    async with daemon(tmp_path, zygote, devices=SIM) as supervisor:
        began = time.monotonic()
        job = await submit(supervisor, "brood-and-exit")
        await watch(supervisor, job)
        took = time.monotonic() - began
        ended = await supervisor.store.get(job.id)
        left = brood.left_in(Path(ended.run_dir))

        assert ended.state is JobState.SUCCEEDED
        assert took < LIMIT_S
        assert not any(map(brood.is_there, left))
        assert await named(supervisor, job, left) == []


async def test_what_a_shim_cannot_end_is_left_to_the_daemon(
    tmp_path: Path, zygote: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(brood.SPARES, "1")
    async with daemon(tmp_path, zygote, devices=SIM) as supervisor:
        job = await running(supervisor, "brood-and-wait")
        left = brood.left_in(Path(job.run_dir))
        kill_worker(job)
        took = await gone(left, time.monotonic())
        await watch(supervisor, job)
        report = rundir.read_exit(Path(job.run_dir))
        (said,) = await notices(supervisor, job)

    print(f"{len(left)} processes ended {took:.2f} s after their worker, by the daemon")
    assert report is not None
    assert {each.pid for each in report.left} == set(left)
    assert took < LIMIT_S
    assert [said.count(f"({pid})") for pid in left] == [1] * len(left)


async def test_a_daemon_ends_what_was_orphaned_while_none_was_there(
    tmp_path: Path, zygote: tuple[str, ...]
) -> None:
    async with daemon(tmp_path, zygote, devices=SIM) as first:
        job = await running(first, "brood-and-wait")
    left = brood.left_in(Path(job.run_dir))
    kill_shim(job)
    assert all(map(brood.is_there, left))

    began = time.monotonic()
    async with daemon(tmp_path, zygote, devices=SIM) as second:
        took = await gone(left, began)
        await wait_until(lambda: is_over(second, job))
        await second.cancel(job.id)

        print(f"{len(left)} processes ended {took:.2f} s after the start of a daemon")
        assert took < LIMIT_S
        assert await named(second, job, left) == []


@pytest.fixture
def immortal(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Have SIGKILL end nothing, as where a process waits for a device; `undo` has it end again."""
    patch = pytest.MonkeyPatch()
    patch.setattr(sweep, "_kill", lambda _: time.sleep(0.05))
    monkeypatch.setattr(crew, "_FOLLOW_AGAIN_S", 0.2)
    return patch


def left_of(supervisor: Supervisor) -> set[int]:
    """Return the processes for which the one device waits."""
    (standing,) = supervisor.standings()
    return {int(each.rpartition("(")[2].rstrip(")")) for each in standing.left}


async def test_a_device_is_held_until_what_cannot_be_ended_is_gone(
    tmp_path: Path, zygote: tuple[str, ...], immortal: pytest.MonkeyPatch
) -> None:
    async with daemon(tmp_path, zygote, devices=SIM) as supervisor:
        job = await running(supervisor, "brood-and-wait")
        waiting = await submit(supervisor, "finish")
        left = brood.left_in(Path(job.run_dir))
        kill_shim(job)
        await wait_until(lambda: left_of(supervisor) == set(left))
        await until(supervisor, waiting, JobState.QUEUED, "sim0 is unhealthy: held by ")
        held, counted = supervisor.standings(), await looked(supervisor, "left_processes")

        immortal.undo()
        await supervisor.cancel(job.id)
        await watch(supervisor, waiting)

        assert [each.state for each in held] == [DeviceState.UNHEALTHY]
        assert held[0].reason.endswith(" of brood-and-wait, which nothing could end")
        assert all(f"({pid})" in held[0].reason for pid in left)
        assert counted == [float(len(left))]
        said = "".join(await notices(supervisor, job))
        assert "Its devices are held until " in said
        assert brood.all_seen(tmp_path / "runs") == []
        await wait_until(lambda: supervisor.standings()[0].state is DeviceState.FREE)
        assert await looked(supervisor, "left_processes") == [0.0]


@pytest.mark.parametrize("is_over_for_good", [True, False], ids=["ended", "lost"])
async def test_what_a_job_has_left_holds_its_device_over_a_restart(
    tmp_path: Path,
    zygote: tuple[str, ...],
    immortal: pytest.MonkeyPatch,
    *,
    is_over_for_good: bool,
) -> None:
    async with daemon(tmp_path, zygote, devices=SIM) as first:
        job = await running(first, "brood-and-wait")
        left = set(brood.left_in(Path(job.run_dir)))
        kill_shim(job)
        await wait_until(lambda: left_of(first) == left)
        if is_over_for_good:
            await first.cancel(job.id)
            await watch(first, job)

    async with daemon(tmp_path, zygote, devices=SIM) as second:
        assert second.standings()[0].state is not DeviceState.FREE
        await wait_until(lambda: left_of(second) == left)
        immortal.undo()
        await wait_until(lambda: second.standings()[0].state is not DeviceState.UNHEALTHY)
        assert not any(map(brood.is_there, left))


async def looked(supervisor: Supervisor, metric: str) -> list[float]:
    """Return what a metric of the devices says."""
    sources = metrics.FakeSources(devices=list(supervisor.standings()))
    taken = metrics.taken(metrics.new_tally(), sources, supervisor.state_dir)
    return list(metrics.values(list(metrics.lines(taken)), f"ftd_device_{metric}").values())


async def test_the_memory_of_strangers_is_in_capacity_metric_and_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # However many larger ones this machine runs.
    monkeypatch.setattr(waiting, "_MOST_NAMED", 1000)
    monkeypatch.setattr(accounts, "MOST_FOREIGN", 1000)
    monkeypatch.setattr(observer, "MOST_FOREIGN", 1000)
    with stranger(300 * MIB) as pid:
        async with daemon(tmp_path, devices="cpu") as supervisor:
            (standing,) = await supervisor.look_at_devices()
            foreign = standing.reading.memory_foreign_bytes
            (told,) = await looked(supervisor, "memory_foreign_bytes")
            asked = standing.device.memory_bytes - foreign // 2
            job = await submit(supervisor, "finish", memory_bytes=asked)
            await until(supervisor, job, JobState.QUEUED, "needs ")
            reason = (await supervisor.store.get(job.id)).reason

    named = {each.pid: each.memory_bytes for each in standing.reading.foreign}
    assert named[pid] == pytest.approx(300 * MIB, rel=0.1)
    assert foreign >= 300 * MIB
    assert told == foreign
    assert "held by others on cpu: " in reason
    assert f"({pid})" in reason


@contextlib.contextmanager
def stranger(size_bytes: int) -> Iterator[int]:
    """Run a process that is nobody's child here and holds memory."""
    code = f"import sys; held = b'x' * {size_bytes}; print('holds', flush=True); sys.stdin.read()"
    command = ["/bin/sh", "-c", 'exec 3<&0; "$@" <&3 & echo $!', "sh", sys.executable, "-c", code]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as shell:
        assert shell.stdout
        said = {shell.stdout.readline().strip(), shell.stdout.readline().strip()}
        yield int((said - {"holds"}).pop())
        shell.communicate("")


@pytest.mark.chaos
@pytest.mark.timeout(600)
async def test_40_trainers_leave_nothing_however_they_end(
    tmp_path: Path, zygote: tuple[str, ...], seed: int, figures: Figures
) -> None:
    random, times, lost = Random(seed), list[float](), list[str]()
    for number in range(40):
        folder = tmp_path / str(number)
        folder.mkdir()
        kill = random.choice([kill_worker, kill_shim])
        took, unnamed = await one_round(folder, zygote, kill, is_alone=random.random() < 0.3)
        times.append(took)
        lost += unnamed

    figures.tell(
        "what 40 trainers leave behind",
        processes=40 * len(brood.KINDS), unnamed=len(lost),
        longest_s=f"{max(times):.2f}", median_s=f"{sorted(times)[20]:.2f}",
    )  # fmt: skip
    assert lost == []
    assert max(times) < LIMIT_S


async def one_round(
    folder: Path, zygote: tuple[str, ...], kill: Kill, *, is_alone: bool
) -> tuple[float, list[str]]:
    """Kill once, `is_alone` without a daemon; return the seconds it took, and what is not named.

    Without a daemon the time counts from the start of the next one.
    """
    async with daemon(folder, zygote, devices=SIM) as first:
        job = await running(first, "brood-and-wait")
        left = brood.left_in(Path(job.run_dir))
        if not is_alone:
            kill(job)
            took = await gone(left, time.monotonic())
            await wait_until(lambda: is_over(first, job))
            return took, await named(first, job, left)
    kill(job)
    began = time.monotonic()
    async with daemon(folder, zygote, devices=SIM) as second:
        took = await gone(left, began)
        await wait_until(lambda: is_over(second, job))
        return took, await named(second, job, left)


@pytest.fixture
def delegated(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A control group that is the daemon's own; needs a machine that permits one."""
    own = cgroup.own_group(Path("/proc"))
    if own is None or not os.access(own, os.W_OK):
        pytest.skip("this machine lets nobody make control groups of version 2")
    place = own / f"ft-test-{os.getpid()}"
    place.mkdir()
    monkeypatch.setattr(cgroup, "own_group", lambda _: place)
    monkeypatch.setattr(cgroup, "_is_delegated", lambda *_: True)
    yield place
    for folder in sorted(place.rglob("*/"), reverse=True):
        Group(path=folder).remove()
    place.rmdir()


@pytest.mark.chaos
@pytest.mark.parametrize("is_alone", [False, True], ids=["daemon", "no-daemon"])
async def test_a_control_group_finds_who_hides_from_all_else(
    tmp_path: Path, zygote: tuple[str, ...], delegated: Path, *, is_alone: bool
) -> None:
    async with daemon(tmp_path, zygote, devices=SIM) as first:
        job = await running(first, "brood-and-wait-grouped")
        left = brood.left_in(Path(job.run_dir))
        if not is_alone:
            kill_shim(job)
            took = await gone(left, time.monotonic())
            await wait_until(lambda: is_over(first, job))
            unnamed = await named(first, job, left)
    if is_alone:
        kill_shim(job)
        began = time.monotonic()
        async with daemon(tmp_path, zygote, devices=SIM) as second:
            took = await gone(left, began)
            await wait_until(lambda: is_over(second, job))
            unnamed = await named(second, job, left)

    print(f"{len(left)} processes of a group ended after {took:.2f} s")
    assert len(left) == len(brood.GROUPED)
    assert took < LIMIT_S
    assert unnamed == []
