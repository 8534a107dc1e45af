"""`ftd backup` and `ftd restore`: real stores, zygotes and shims; only the workers are fakes."""

import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ftd import backup, backupcommand, soundness, statedir
from ftd.errors import BadConfig, StateLocked
from ftd.jobs import jobcard
from ftd.jobs.model import EventKind, JobState
from ftd.jobs.store import Store
from ftd.jobs.store.tokens import Role
from fttrain.spec import rundir
from tests.fakes.jobs import NOW
from tests.fakes.supervising import daemon, states_of, submit, until, watch

PAGE = 4096


def save(state: Path, place: Path) -> str:
    return backupcommand.save(state, place)


def damage(database: Path, tables: Sequence[str]) -> None:
    """Overwrite every page of some tables and indexes, as a failing disk would."""
    with sqlite3.connect(database) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        names = ", ".join(f"'{table}'" for table in tables)
        query = f"SELECT pageno FROM dbstat WHERE name IN ({names})"
        pages = [page for (page,) in connection.execute(query)]
    connection.close()
    with database.open("r+b") as file:
        for page in pages:
            file.seek((page - 1) * PAGE)
            file.write(b"\xa5" * PAGE)


async def test_a_backup_is_made_while_jobs_run_and_holds_them(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    async with daemon(tmp_path / "state") as running:
        job = await submit(running, "wait")
        await until(running, job, JobState.RUNNING)
        said = save(tmp_path / "state", tmp_path / "copy")
        await running.cancel(job.id)
        await watch(running, job)

    manifest = backup.read(tmp_path / "copy")
    assert manifest.jobs == 1
    assert manifest.format == 1
    assert said.startswith(f"{tmp_path / 'copy'}: 1 job, schema {manifest.schema}, as of ")
    async with await Store.open(tmp_path / "copy" / "ftd.sqlite") as store:
        assert (await store.get(job.id)).state is JobState.RUNNING


async def test_a_restore_brings_back_all_that_happened_since_the_backup(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    async with daemon(state) as first:
        old = await submit(first, "finish-old")
        await watch(first, old)
        running = await submit(first, "wait-through")
        await until(first, running, JobState.RUNNING)
        queued = await submit(first, "finish-queued")
        await until(first, queued, JobState.QUEUED, "waits for a device")
        save(state, tmp_path / "copy")
        await first.cancel(running.id)
        await watch(first, running)
        await watch(first, queued)
        new = await submit(first, "finish-new", labels={"made": "later"}, priority=3)
        await watch(first, new)
        goes_on = await submit(first, "wait-on")
        await until(first, goes_on, JobState.RUNNING)
        before = {job.name: await first.store.get(job.id) for job in (old, running, queued, new)}
    damage(state / "ftd.sqlite", ["jobs", "documents", "events"])

    said = backupcommand.restore(state, tmp_path / "copy")

    assert "from their run directories: finish-new, wait-on" in said
    assert "went on since the backup: wait-through (cancelled), finish-queued (succeeded)" in said
    async with daemon(state) as second:
        for name, job in before.items():
            found = await second.store.get(job.id)
            assert (found.state, found.request, found.outcome) == (
                job.state, job.request, job.outcome,
            ), name  # fmt: skip
            assert (found.number, found.attempt, found.run_dir, found.user) == (
                job.number, job.attempt, job.run_dir, job.user,
            )  # fmt: skip
            assert states_of(await watch(second, job))[-1] == job.state
        await until(second, goes_on, JobState.RUNNING)
        await second.cancel(goes_on.id)
        events = await watch(second, goes_on)
        assert states_of(events) == ["queued", "starting", "running", "cancelling", "cancelled"]
        assert [event.sequence for event in events] == list(range(1, len(events) + 1))
        later = await submit(second, "finish-later")
        assert later.number == goes_on.number + 1


async def test_what_was_only_in_the_damaged_page_is_named(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    async with daemon(state) as first:
        blocker = await submit(first, "wait")
        await until(first, blocker, JobState.RUNNING)
        save(state, tmp_path / "copy")
        lost = await submit(first, "finish-lost")
        await until(first, lost, JobState.QUEUED, "waits for a device")
        await first.cancel(blocker.id)
        await first.cancel(lost.id)
        await watch(first, blocker)
    damage(state / "ftd.sqlite", ["jobs"])

    said = backupcommand.restore(state, tmp_path / "copy")

    assert (
        f"  job finish-lost (number {lost.number}): an index still names it, its row cannot be "
        "read, and it has no run directory, so it had not started; submit it again\n" in said
    )


async def test_queued_jobs_are_read_from_what_is_left_of_a_damaged_store(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    async with daemon(state) as first:
        blocker = await submit(first, "wait")
        await until(first, blocker, JobState.RUNNING)
        save(state, tmp_path / "copy")
        waits = await submit(first, "finish-later")
        await until(first, waits, JobState.QUEUED, "waits for a device")
        token = await first.store.tokens.create("laptop", user="a", role=Role.USER, now=NOW)
    damage(state / "ftd.sqlite", ["events"])

    said = backupcommand.restore(state, tmp_path / "copy")

    assert "read from the damaged store: finish-later (queued)" in said
    assert "lost: nothing that can be known of" in said
    async with daemon(state) as second:
        await second.cancel(blocker.id)
        assert states_of(await watch(second, waits))[-1] == "succeeded"
        assert [each.name for each in await second.store.tokens.list()] == ["laptop"]
    assert token


async def test_a_damaged_page_refuses_the_start_and_names_the_command(tmp_path: Path) -> None:
    async with await Store.open(tmp_path / "ftd.sqlite"):
        pass
    backup.write(
        tmp_path / "ftd.sqlite", tmp_path / "backups" / backup.name_of(NOW), now=NOW, version="1"
    )
    damage(tmp_path / "ftd.sqlite", ["jobs_by_name"])

    with pytest.raises(BadConfig) as refused:
        soundness.refuse_damage(tmp_path)

    said = str(refused.value)
    assert said.startswith(f"the job store {tmp_path / 'ftd.sqlite'} is damaged: ")
    assert said.endswith(
        f"; `ftd restore --state {tmp_path}` brings back the backup of 2026-01-02 03:04 UTC and "
        "what happened to jobs since"
    )


async def test_without_a_backup_the_run_directories_alone_make_a_store(tmp_path: Path) -> None:
    async with daemon(tmp_path) as first:
        job = await submit(first, "finish")
        await watch(first, job)
    (tmp_path / "ftd.sqlite").write_bytes(b"no database at all" * 1000)

    with pytest.raises(BadConfig, match="--from-runs` what the run directories tell"):
        soundness.refuse_damage(tmp_path)
    with pytest.raises(BadConfig, match="there is no backup to restore: "):
        backupcommand.restore(tmp_path, None)
    backupcommand.restore(tmp_path, None, from_runs=True)

    async with daemon(tmp_path) as second:
        events = await watch(second, job)
        assert states_of(events) == ["queued", "starting", "running", "succeeded"]
        assert sum(event.kind is EventKind.PLANNED for event in events) == 1


def test_a_restore_is_refused_while_a_daemon_holds_the_state(tmp_path: Path) -> None:
    with statedir.held(tmp_path), pytest.raises(StateLocked, match="is held by ftd with pid"):
        backupcommand.restore(tmp_path, tmp_path / "copy")


async def test_a_changed_backup_or_one_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    async with await Store.open(tmp_path / "ftd.sqlite"):
        pass
    place = tmp_path / "copy"
    backup.write(tmp_path / "ftd.sqlite", place, now=datetime.now(UTC), version="1")

    with pytest.raises(BadConfig, match="copy is there already; name a new folder"):
        backupcommand.save(tmp_path, place)
    manifest = (place / "manifest.json").read_text()
    (place / "manifest.json").write_text(manifest.replace('"format": 1', '"format": 2'))
    with pytest.raises(BadConfig, match="has format 2, of a newer finetuned, and this one knows 1"):
        backup.read(place)
    (place / "manifest.json").write_text(manifest)
    with (place / "ftd.sqlite").open("ab") as file:
        file.write(b"x")
    with pytest.raises(BadConfig, match="is not what was backed up"):
        backup.read(place)
    with pytest.raises(BadConfig, match=r"is no backup: .*manifest.json is missing"):
        backup.read(tmp_path / "nowhere")


async def test_run_directories_of_a_newer_format_are_refused_by_name(tmp_path: Path) -> None:
    async with daemon(tmp_path) as first:
        job = await submit(first, "finish")
        await watch(first, job)
        run_dir = Path((await first.store.get(job.id)).run_dir)
    card = run_dir / rundir.ATTEMPT
    card.write_text(card.read_text().replace('"format": 1', '"format": 9'))

    with pytest.raises(BadConfig, match=r"attempt.json has format 9, of a newer finetuned"):
        backupcommand.restore(tmp_path, None, from_runs=True)

    body = (run_dir.parent / jobcard.NAME).read_text()
    (run_dir.parent / jobcard.NAME).write_text(body.replace('"format": 1', '"format": 9'))
    with pytest.raises(rundir.NewerFormat, match=r"job.json has format 9"):
        jobcard.read(run_dir.parent)


async def test_what_was_deleted_since_stays_deleted_and_missing_files_delete_nothing(
    tmp_path: Path,
) -> None:
    state = tmp_path / "state"
    state.mkdir()
    async with daemon(state) as first:
        for name in ("finish-a", "finish-b"):
            await watch(first, await submit(first, name))
        save(state, tmp_path / "copy")
        await first.delete("finish-a")
    damage(state / "ftd.sqlite", ["events"])

    assert "deleted since the backup: finish-a\n" in backupcommand.restore(state, tmp_path / "copy")
    bare = tmp_path / "bare"
    said = backupcommand.restore(bare, tmp_path / "copy")

    assert "deleted since the backup: " not in said
    assert "  changes to drains since the backup: no store that can be read tells them\n" in said
    async with await Store.open(bare / "ftd.sqlite") as store:
        jobs, _ = await store.list(10)
        assert [job.name for job in jobs] == ["finish-b", "finish-a"]
    async with await Store.open(state / "ftd.sqlite") as store:
        jobs, _ = await store.list(10)
        assert [job.name for job in jobs] == ["finish-b"]
