"""The supervisor when what it stands on fails: disks, leftovers, answers that come too late."""

import asyncio
import shutil
from pathlib import Path
from typing import Any

import psutil
import pytest
from sqlalchemy.exc import OperationalError

from ftd.errors import InvalidJob, JobNotRunning
from ftd.jobs import depot
from ftd.jobs import supervisor as supervising
from ftd.jobs.model import Job, JobState
from ftd.jobs.planning import PLANNERS
from ftd.jobs.store import Store
from ftd.jobs.store.datasets import Datasets
from ftd.jobs.supervisor import Supervisor
from fttrain.spec import rundir
from tests.fakes.attempts import make_request
from tests.fakes.supervising import daemon, planners, states_of, submit, until, watch
from tests.wait import wait_until


async def test_a_run_directory_of_a_start_that_was_never_recorded_is_made_anew(
    tmp_path: Path,
) -> None:
    async with daemon(tmp_path) as first:
        blocker = await submit(first, "wait")
        await until(first, blocker, JobState.RUNNING)
        job = await submit(first, "finish")
    (tmp_path / "runs" / job.id / "1" / "checkpoints").mkdir(parents=True)

    async with daemon(tmp_path) as second:
        await second.cancel(blocker.id)

        assert states_of(await watch(second, job))[-1] == "succeeded"


async def test_a_run_directory_that_cannot_be_made_fails_the_job_and_not_the_daemon(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    (tmp_path / "runs").write_text("in the way")
    job = await submit(supervisor, "finish")

    ended = (await watch(supervisor, job))[-1].body["outcome"]

    assert ended["reason"] == "start_failed"
    assert ended["message"] == (
        "The worker could not be started: "
        f"{tmp_path}/runs/{job.id}/1 cannot be made: Not a directory."
    )
    (tmp_path / "runs").unlink()
    following = await submit(supervisor, "finish")
    assert states_of(await watch(supervisor, following))[-1] == "succeeded"


async def test_a_store_that_cannot_be_written_for_a_while_holds_jobs_up_and_ends_nothing(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervising, "AGAIN_S", 0.05)
    append, refused = supervisor.store.append, 0

    async def full(*given: Any, **named: Any) -> Any:
        nonlocal refused
        refused += 1
        raise OperationalError("INSERT", {}, Exception("database or disk is full"))

    supervisor.store.append = full  # type: ignore[method-assign]
    job = await submit(supervisor, "finish")
    await wait_until(lambda: refused > 3)
    supervisor.store.append = append  # type: ignore[method-assign]

    assert states_of(await watch(supervisor, job))[-1] == "succeeded"


async def test_a_cancel_while_an_attempt_is_taken_up_is_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with daemon(tmp_path) as first:
        job = await submit(first, "wait")
        await until(first, job, JobState.RUNNING)
    asked, may_go_on = asyncio.Event(), asyncio.Event()
    attempts = Store.attempts

    async def slowly(store: Store, job_ids: list[str]) -> Any:
        task = asyncio.current_task()
        assert task is not None
        if task.get_name().startswith("take-up"):
            asked.set()
            await may_go_on.wait()
        return await attempts(store, job_ids)

    monkeypatch.setattr(Store, "attempts", slowly)
    async with daemon(tmp_path) as second:
        await asked.wait()
        await second.cancel(job.id)
        may_go_on.set()

        assert states_of(await watch(second, job))[-1] == "cancelled"


async def test_a_start_whose_run_directory_is_gone_is_made_again(tmp_path: Path) -> None:
    async with daemon(tmp_path) as first:
        job = await _left_starting(first)
    shutil.rmtree(job.run_dir)

    async with daemon(tmp_path) as second:
        assert states_of(await watch(second, job))[-1] == "succeeded"


async def test_a_shim_that_comes_after_its_start_was_given_up_runs_nothing(
    tmp_path: Path,
) -> None:
    async with daemon(tmp_path) as first:
        job = await _left_starting(first)

    async with daemon(tmp_path) as second:
        await watch(second, job)
        assert (await second.store.get(job.id)).attempt == 2
        late = await second.zygote.start(Path(job.run_dir), grace_s=0.1)
        await late.wait()
        late.close()

    assert rundir.read_exit(Path(job.run_dir)) is None
    assert (Path(job.run_dir) / rundir.JOURNAL).read_bytes() == b""


async def test_data_sets_are_swept_again_after_a_sweep_that_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervising, "AGAIN_S", 0.01)
    monkeypatch.setattr(depot, "AGAIN_S", 0.01)
    kept, asked = Datasets.kept, 0

    async def fails_twice(datasets: Datasets) -> set[str]:
        nonlocal asked
        asked += 1
        if asked <= 2:
            raise OSError(5, "Input/output error")
        return await kept(datasets)

    monkeypatch.setattr(Datasets, "kept", fails_twice)
    litter = tmp_path / "datasets" / "versions" / "litter"
    litter.mkdir(parents=True)

    async with daemon(tmp_path):
        await wait_until(lambda: not litter.exists())


async def _left_starting(supervisor: Supervisor) -> Job:
    """Submit a job whose shim never begins, and return it as a daemon that is killed leaves it."""
    asked = asyncio.Event()

    async def never(run_dir: Path, *, grace_s: float) -> None:
        asked.set()
        await asyncio.Event().wait()

    supervisor.zygote.start = never  # type: ignore[assignment,method-assign]
    job = await submit(supervisor, "finish")
    await asked.wait()
    return await supervisor.store.get(job.id)


async def test_a_journal_that_is_damaged_where_it_was_read_holds_no_cancel_up(
    tmp_path: Path,
) -> None:
    async with daemon(tmp_path) as first:
        job = await submit(first, "wait")
        await until(first, job, JobState.RUNNING)
        journal = Path((await first.store.get(job.id)).run_dir) / rundir.JOURNAL
    journal.write_bytes(b"?" + journal.read_bytes()[1:])

    async with daemon(tmp_path) as second:
        await second.cancel(job.id)

        assert states_of(await watch(second, job))[-1] == "cancelled"


async def test_many_jobs_at_once_are_planned_a_few_at_a_time(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [await submit(supervisor, f"finish-{i}", net="hang") for i in range(2 * PLANNERS)]
    await wait_until(lambda: len(planners(supervisor)) == PLANNERS)
    others = [await submit(supervisor, f"wait-{i}", net="hang") for i in range(3)]

    for job in jobs[:PLANNERS]:
        await supervisor.cancel(job.id)
    await wait_until(lambda: len(planners(supervisor)) == PLANNERS)

    for job in [*jobs, *others]:
        await supervisor.cancel(job.id)
    await wait_until(lambda: not planners(supervisor))


async def test_a_planner_that_nobody_waits_for_any_more_is_ended(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    await watch(supervisor, await submit(supervisor, "finish"))  # the zygote is there
    zygote = psutil.Process(supervisor.zygote_pid)
    zygote.suspend()
    job = await submit(supervisor, "finish", net="hang")
    await wait_until(lambda: any((tmp_path / "plans").glob("planning-*")))

    await supervisor.cancel(job.id)
    zygote.resume()
    await watch(supervisor, await submit(supervisor, "finish"))

    await wait_until(lambda: not planners(supervisor))


async def test_validation_tells_all_jobs_that_there_are_not(supervisor: Supervisor) -> None:
    request = make_request("finish", after=("one", "two"), weights="job:three/best")

    with pytest.raises(InvalidJob) as refused:
        await supervisor.validate(request)

    assert [fault.field for fault in refused.value.faults] == [
        "after[0]", "after[1]", "model.weights",
    ]  # fmt: skip
    assert refused.value.faults[0].description.startswith("no job has the name or id `one`; ")


async def test_a_shim_that_cannot_begin_says_why_in_the_zygotes_log(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    process = await supervisor.zygote.start(tmp_path / "nowhere" / "1", grace_s=0.1)
    await process.wait()
    process.close()

    assert "FileNotFoundError" in (tmp_path / "zygote.log").read_text()


async def test_a_deletion_that_broke_off_is_done_at_the_next_start(tmp_path: Path) -> None:
    async with daemon(tmp_path) as first:
        kept = await submit(first, "finish")
        await until(first, kept, JobState.SUCCEEDED)
    orphan = tmp_path / "runs" / ("f" * 32)
    (orphan / "1").mkdir(parents=True)

    async with daemon(tmp_path):
        await wait_until(lambda: not orphan.exists())

    assert await asyncio.to_thread((tmp_path / "runs" / kept.id).exists)


async def test_a_deleted_job_leaves_no_files(supervisor: Supervisor, tmp_path: Path) -> None:
    job = await submit(supervisor, "finish")
    await until(supervisor, job, JobState.SUCCEEDED)
    assert (tmp_path / "runs" / job.id).is_dir()

    await supervisor.delete(job.name)

    assert not (tmp_path / "runs" / job.id).exists()


async def test_a_job_that_waits_cannot_finish_and_one_that_trains_is_asked_once(
    supervisor: Supervisor,
) -> None:
    running = await submit(supervisor, "wait")
    await until(supervisor, running, JobState.RUNNING)
    waiting = await submit(supervisor, "finish")

    with pytest.raises(JobNotRunning) as refused:
        await supervisor.finish(waiting.id)
    asked = await supervisor.finish(running.id)
    again = await supervisor.finish(running.id)

    assert str(refused.value) == (
        f"job {waiting.name} is queued and has not begun to train; `ftctl cancel {waiting.name}` "
        "ends it"
    )
    assert asked == again
    assert await asyncio.to_thread(rundir.is_to_finish, Path(asked.run_dir))
    await supervisor.cancel(running.id)
