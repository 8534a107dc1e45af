"""`ftd gc`, as it is typed, and what the daemon removes by itself."""

import asyncio
import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ftd import backup, upkeep
from ftd.__main__ import main
from ftd.config import Config, load
from ftd.errors import BadConfig, JobNotFound
from ftd.jobs.model import Job, JobState
from ftd.jobs.store import Store
from ftd.upkeep import Upkeep
from tests.fakes.jobs import request
from tests.fakes.storing import end, submit
from tests.fakes.supervising import daemon, until, watch
from tests.fakes.supervising import submit as send

KIB = 1024


def gc(state: Path, *words: str) -> int:
    return main(["gc", "--state", str(state), *words])


async def ended(store: Store, state: Path, *names: str) -> list[Job]:
    """Jobs that ended in 2026's first days, in this order, with a file of 64 KiB each."""
    jobs = []
    for name in names:
        jobs.append(await end(store, await submit(store, request(name))))
        folder = state / "runs" / jobs[-1].id / "1"
        folder.mkdir(parents=True)
        (folder / "model.safetensors").write_bytes(os.urandom(64 * KIB))
    return jobs


async def left(state: Path) -> list[str]:
    async with await Store.open(state / "ftd.sqlite") as store:
        jobs, _ = await store.list(100)
    return sorted(job.name for job in jobs)


async def test_old_jobs_go_and_those_that_others_need_stay(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with await Store.open(tmp_path / "ftd.sqlite") as store:
        old, needed, _ = await ended(store, tmp_path, "old", "needed", "other")
        await submit(store, request("waits", after=("needed",)))

    assert gc(tmp_path, "--age", "1d", "--dry-run") == 0
    said = capsys.readouterr().out
    assert await left(tmp_path) == ["needed", "old", "other", "waits"]
    assert gc(tmp_path, "--age", "1d") == 0

    assert said.startswith(f"would remove old ({old.id[:8]}, ended 2026-01-02 03:04 UTC, 0.1 MiB)")
    assert "would remove 2 jobs, 0.1 MiB; 0 left-over files\n" in said
    assert "removed 2 jobs, 0.1 MiB" in capsys.readouterr().out
    assert await left(tmp_path) == ["needed", "waits"]
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == [needed.id]


@pytest.mark.parametrize(
    ("words", "stay"),
    [
        (("--keep", "2"), ["c", "d"]),
        (("--size", "200KiB"), ["b", "c", "d"]),
        (("--size", "100KiB", "--keep", "3"), ["d"]),
        (("--age", "30000d"), ["a", "b", "c", "d"]),
        ((), ["a", "b", "c", "d"]),
    ],
)
async def test_by_count_and_by_size_the_oldest_go_first(
    tmp_path: Path, words: tuple[str, ...], stay: list[str]
) -> None:
    async with await Store.open(tmp_path / "ftd.sqlite") as store:
        await ended(store, tmp_path, "a", "b", "c", "d")

    assert gc(tmp_path, *words) == 0

    assert await left(tmp_path) == stay


async def test_a_job_that_runs_is_never_touched_while_the_daemon_works(tmp_path: Path) -> None:
    async with daemon(tmp_path) as running:
        job = await send(running, "wait")
        await until(running, job, JobState.RUNNING)
        done = await send(running, "finish")
        await until(running, done, JobState.QUEUED, "waits for a device")

        assert gc(tmp_path, "--keep", "1", "--size", "1KiB", "--age", "1min") == 0

        await running.cancel(job.id)
        await watch(running, done)
        assert gc(tmp_path, "--size", "1KiB") == 0
        with pytest.raises(JobNotFound):
            await running.store.get(done.id)


async def test_plans_that_are_old_and_answers_that_nobody_fetched_go_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with await Store.open(tmp_path / "ftd.sqlite"):
        pass
    age = datetime.now(UTC).timestamp() - timedelta(days=40).total_seconds()
    for name, is_old in (("old", True), ("new", False)):
        for folder in ("plans/cache", "predictions", "plots", "evaluations"):
            path = tmp_path / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
            if is_old:
                os.utime(path, (age, age))

    assert gc(tmp_path) == 0

    assert "removed 0 jobs, 0.0 MiB; 4 left-over files\n" in capsys.readouterr().out
    for folder in ("plans/cache", "predictions", "plots", "evaluations"):
        assert [path.name for path in (tmp_path / folder).iterdir()] == ["new"]


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (
            ("--age", "soon"),
            "ftd: --gc-age: `soon` is no time; say one like 90min, 12h or 30d, or off\n",
        ),
        (("--keep", "0"), "ftd: --gc-keep: `0` is no whole number from 1 to 9999999\n"),
    ],
)
def test_faults_of_the_limits_are_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], fault: str
) -> None:
    assert gc(tmp_path, *words) == 2
    assert capsys.readouterr().err == fault


def test_a_folder_without_a_store_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert gc(tmp_path) == 2
    told = f"ftd: {tmp_path} holds no job store; say where with --state\n"
    assert capsys.readouterr().err == told
    assert main(["backup", "--state", str(tmp_path), str(tmp_path / "copy")]) == 2
    assert capsys.readouterr().err == told


# --- what the daemon does by itself ---------------------------------------------------------


def kept_by(state: Path, now: Callable[[], datetime], **flags: str) -> Upkeep:
    config: Config = load({"state": str(state), **flags}, {})
    return Upkeep(config, now)


async def test_a_backup_is_made_each_day_and_the_last_three_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ftd.upkeep.disk.RESERVE_BYTES", 0)
    async with await Store.open(tmp_path / "ftd.sqlite"):
        pass
    now = datetime(2026, 5, 1, 12, tzinfo=UTC)
    upkeep = kept_by(tmp_path, lambda: now)

    for _ in range(24 * 5):
        upkeep.look()
        now += timedelta(hours=1)

    assert [place.name for place in backup.in_state(tmp_path)] == [
        "20260505T120000Z", "20260504T120000Z", "20260503T120000Z",
    ]  # fmt: skip
    assert all(backup.read(place).jobs == 0 for place in backup.in_state(tmp_path))


async def test_no_backup_is_made_where_that_is_off_or_where_the_disk_is_nearly_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with await Store.open(tmp_path / "ftd.sqlite"):
        pass
    kept_by(tmp_path, lambda: datetime.now(UTC), backup_every="off").look()
    monkeypatch.setattr("ftd.upkeep.disk.free_bytes", lambda folder: 1000)
    kept_by(tmp_path, lambda: datetime.now(UTC)).look()

    assert backup.in_state(tmp_path) == []


async def test_what_the_configuration_lets_go_the_daemon_removes_by_itself(tmp_path: Path) -> None:
    async with await Store.open(tmp_path / "ftd.sqlite") as store:
        await ended(store, tmp_path, "a", "b", "c")

    kept_by(tmp_path, lambda: datetime.now(UTC), backup_every="off").look()
    assert await left(tmp_path) == ["a", "b", "c"]
    kept_by(tmp_path, lambda: datetime.now(UTC), backup_every="off", gc_keep="1").look()

    assert await left(tmp_path) == ["c"]


async def test_a_look_that_fails_does_not_end_the_daemon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []
    has_looked_again = threading.Event()

    def look(_: Upkeep) -> None:
        looks.append(1)
        if len(looks) == 1:
            raise BadConfig("the store is damaged: database is locked")
        has_looked_again.set()

    monkeypatch.setattr(Upkeep, "look", look)
    monkeypatch.setattr(upkeep, "FIRST_S", 0.0)
    monkeypatch.setattr(upkeep, "AGAIN_S", 0.0)
    async with upkeep.working(load({"state": str(tmp_path)}, {}), lambda: datetime.now(UTC)):
        assert await asyncio.to_thread(has_looked_again.wait, 30)
