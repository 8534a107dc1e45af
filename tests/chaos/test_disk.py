"""A disk that is full, fails, or has torn what it kept: nothing acknowledged is lost.

Small file systems are tmpfs, mounted where this process may (root, or CI's); elsewhere these
tests say so and are left out.
"""

import contextlib
import json
import os
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ftd.errors import DiskFull, StoreFailed
from ftd.jobs import room
from ftd.jobs.model import EventKind, Job, JobRequest, JobState
from ftd.jobs.store import Store
from ftd.jobs.supervisor import Supervisor
from ftd.jobs.zygote import COMMAND
from fttrain import events as journal
from fttrain.journal import Journal
from fttrain.spec import rundir
from tests.fakes.jobs import request
from tests.fakes.storing import submit as keep
from tests.fakes.supervising import daemon, states_of, submit, until, watch

SIZE = 16 << 20
EPOCHS = 12


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 16 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "none", place],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if made.returncode != 0:
        pytest.skip(f"no small file system can be mounted here: {made.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)


def fill(disk: Path, *, leave: int) -> Path:
    """Take all room of a disk but so many bytes; return what to remove to have it back."""
    ballast = disk / "ballast"
    with ballast.open("wb") as file:
        for _ in range(10):  # It fails whole where a job writes just then.
            taken = os.fstat(file.fileno()).st_size
            with contextlib.suppress(OSError):
                os.posix_fallocate(file.fileno(), 0, taken + max(free(disk) - leave, 1))
            if free(disk) <= leave:
                break
    return ballast


def free(disk: Path) -> int:
    told = os.statvfs(disk)
    return told.f_bavail * told.f_frsize


def recipe() -> JobRequest:
    """A job whose checkpoints take about 1 MiB."""
    body = {
        "data": {"digits": {"labels_per_class": 25}},  # One step in each epoch.
        "model": {"cnn": {"channels": [32, 160]}},
        "train": {
            "seed": 0, "epochs": EPOCHS, "batch_size": 250, "max_steps": EPOCHS,
            "optimizer": {"adamw": {"lr": 1e-3}},
        },
        "outputs": [],
    }  # fmt: skip
    return request("hungry", recipe_json=json.dumps(body))


async def has_trained(supervisor: Supervisor, job: Job, epochs: int) -> None:
    async for event in supervisor.broadcast.subscribe(job.id):
        if event.kind is EventKind.EPOCH and event.body["epoch"] >= epochs:
            return


async def test_a_full_disk_pauses_the_job_and_room_lets_it_go_on(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R17: no room for a checkpoint pauses the run, and it loses nothing."""
    monkeypatch.setattr(room, "FREE_BYTES", 2 << 20)
    monkeypatch.setattr(room, "FIRST_WAIT_S", 0.1)
    monkeypatch.setattr(room, "LOOK_S", 0.1)
    async with daemon(small_disk, COMMAND) as supervisor:
        job = await supervisor.submit(recipe(), request_id="")
        await has_trained(supervisor, job, 2)
        ballast = fill(small_disk, leave=384 << 10)

        await until(supervisor, job, JobState.PAUSED, room.BEGINS)
        paused = await supervisor.store.get(job.id)
        assert paused.reason.endswith(f"needed on {small_disk / 'runs' / job.id}")
        (attempt,) = await supervisor.store.attempts([job.id])
        assert attempt.outcome is not None
        assert attempt.outcome.reason == "disk_full"
        assert "`ftctl delete` or `ftd gc`" in attempt.outcome.remedy
        ballast.unlink()

        await until(supervisor, job, JobState.SUCCEEDED)
        events = await watch(supervisor, job)
        ended = await supervisor.store.get(job.id)
    assert "paused" in states_of(events)
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    assert ended.attempt >= 2
    told = [epoch["epoch"] for epoch in ended.epochs]
    assert told == list(range(told[0], told[-1] + 1))


async def test_a_start_without_room_for_its_folder_waits_paused(
    small_disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "FREE_BYTES", 1 << 20)
    monkeypatch.setattr(room, "FIRST_WAIT_S", 0.1)
    monkeypatch.setattr(room, "LOOK_S", 0.1)
    state = tmp_path / "state"
    state.mkdir()
    (small_disk / "runs").mkdir()
    (state / "runs").symlink_to(small_disk / "runs")
    ballast = fill(small_disk, leave=0)
    async with daemon(state) as supervisor:
        job = await submit(supervisor, "finish")
        await until(supervisor, job, JobState.PAUSED, "disk full: 0 MiB free of the 1 needed on ")
        ballast.unlink()

        assert states_of(await watch(supervisor, job)) == [
            "queued", "paused", "queued", "starting", "running", "succeeded",
        ]  # fmt: skip


async def test_a_user_may_cancel_a_job_that_waits_for_room(
    small_disk: Path, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    state.mkdir()
    (small_disk / "runs").mkdir()
    (state / "runs").symlink_to(small_disk / "runs")
    fill(small_disk, leave=0)
    async with daemon(state) as supervisor:
        job = await submit(supervisor, "finish")
        await until(supervisor, job, JobState.PAUSED, room.BEGINS)
        await supervisor.cancel(job.id)

        assert states_of(await watch(supervisor, job))[-1] == "cancelled"


async def keep_submitting(store: Store, accepted: list[Job]) -> None:
    """Submit until that is refused; what was accepted before is added to the list."""
    for number in range(10_000):
        accepted.append(await keep(store, request(f"job-{number}")))  # noqa: PERF401 - kept on error


async def test_what_a_full_disk_refuses_is_said_and_what_it_took_is_kept(small_disk: Path) -> None:
    accepted = []
    async with await Store.open(small_disk / "ftd.sqlite") as store:
        accepted.append(await keep(store, request("first")))
        fill(small_disk, leave=64 << 10)
        with pytest.raises(DiskFull, match="the daemon's disk is full, and it cannot note this"):
            await keep_submitting(store, accepted)
        (small_disk / "ballast").unlink()
        accepted.append(await keep(store, request("after")))

    async with await Store.open(small_disk / "ftd.sqlite") as again:
        kept = await again.unfinished()
    assert [job.id for job in kept] == [job.id for job in accepted]
    assert len(accepted) > 2


def write_for_ever(kept: Journal) -> None:
    while True:
        kept.write(journal.Notice(message="x" * 3000))


def test_a_record_for_which_there_is_no_room_leaves_no_half_of_itself(small_disk: Path) -> None:
    path = small_disk / "journal.jsonl"
    header = journal.Header(format=journal.FORMAT, job_id="j", attempt=1)
    kept = Journal(path, header)
    fill(small_disk, leave=0)
    with pytest.raises(OSError, match="No space left"):
        write_for_ever(kept)
    before = journal.read(path)[0]
    (small_disk / "ballast").unlink()
    kept.write(journal.Notice(message="there is room again"))
    kept.close()

    entries, offset = journal.read(path)
    assert [entry.record for entry in entries[:-1]] == [entry.record for entry in before]
    assert entries[-1].record == journal.Notice(message="there is room again")
    assert offset == path.stat().st_size


@pytest.mark.parametrize("cut", [1, 7, 40])
async def test_a_torn_last_record_is_passed_over_and_all_before_it_counts(
    tmp_path: Path, cut: int
) -> None:
    async with daemon(tmp_path) as first:
        job = await submit(first, "wait")
        await until(first, job, JobState.RUNNING)
    path = Path((await _kept(tmp_path, job)).run_dir, rundir.JOURNAL)
    told = journal.encode(journal.Notice(message="whole"), time=1.0)
    torn = journal.encode(journal.Notice(message="this one was torn"), time=2.0)[:-cut]
    append(path, told + torn)

    async with daemon(tmp_path) as second:
        await second.cancel(job.id)
        events = await watch(second, job)

    assert states_of(events)[-1] == "cancelled"
    notices = [event.body["message"] for event in events if event.kind is EventKind.NOTICE]
    assert "whole" in notices
    assert not any("torn" in notice for notice in notices)


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


async def _kept(state: Path, job: Job) -> Job:
    async with await Store.open(state / "ftd.sqlite") as store:
        return await store.get(job.id)


@contextlib.contextmanager
def failing_writes(beyond: int) -> Iterator[None]:
    """Have every write of this process beyond a position fail, as SQLite sees it: an I/O error."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (beyond, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def test_writes_that_fail_are_told_with_what_to_do_and_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "ftd.sqlite"
    accepted = []
    async with await Store.open(path) as store:
        accepted.append(await keep(store, request("first")))
        with failing_writes(path.with_name("ftd.sqlite-wal").stat().st_size):
            with pytest.raises(StoreFailed) as refused:
                await keep_submitting(store, accepted)
            assert (await store.get("first")).id == accepted[0].id
        accepted.append(await keep(store, request("after")))

    assert str(refused.value) == (
        "the disk beneath the job store fails (disk I/O error), and this was not done; the "
        "machine's kernel log says why: see to it, then try again"
    )
    async with await Store.open(path) as again:
        assert [job.id for job in await again.unfinished()] == [job.id for job in accepted]


async def test_a_page_that_is_damaged_while_the_daemon_runs_is_told_with_the_command(
    tmp_path: Path,
) -> None:
    path = tmp_path / "ftd.sqlite"
    async with await Store.open(path) as store:
        job = await keep(store, request("here"))
    body = path.read_bytes()
    async with await Store.open(path) as store:
        path.write_bytes(body[:4096] + b"\xa5" * (len(body) - 4096))
        with pytest.raises(StoreFailed) as refused:
            await store.get(job.id)

    assert str(refused.value) == (
        "the job store is damaged (database disk image is malformed), and this was not done; "
        "stop the daemon, then `ftd restore` makes it whole"
    )
