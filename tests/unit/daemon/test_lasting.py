"""Work in threads comes to its end, however often whoever waits for it is cancelled."""

import asyncio
import os
import threading
from functools import partial
from pathlib import Path

import pytest

from ftd.datasets import versions
from ftd.devices import ownthread
from ftd.jobs.callers import Caller
from ftd.jobs.lasting import in_thread, whole
from ftd.jobs.roots import Roots
from fttrain.spec import rundir

ADMIN = Caller(user="", is_admin=True)


async def cancel(task: "asyncio.Task[object]", times: int) -> None:
    for _ in range(times):
        task.cancel()
        await asyncio.wait([asyncio.create_task(asyncio.to_thread(bool))])


async def test_who_is_cancelled_again_and_again_waits_for_the_end() -> None:
    is_at_work, goes_on, done = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        is_at_work.set()
        goes_on.wait()
        done.set()

    task = asyncio.create_task(in_thread(work))
    await asyncio.to_thread(is_at_work.wait)
    await cancel(task, 3)
    assert not task.done()
    goes_on.set()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert done.is_set()


async def test_what_comes_of_work_comes_back() -> None:
    assert await in_thread(int, "7") == 7
    with pytest.raises(ValueError, match="invalid literal"):
        await in_thread(int, "x")


async def test_what_fails_for_a_caller_who_is_gone_is_not_told() -> None:
    failing = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(whole(failing))
    await cancel(task, 2)
    failing.set_exception(ValueError("nobody asks"))

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_thread_of_its_own_tells_what_came_of_it() -> None:
    assert await ownthread.begun(lambda: 7, name="test") == 7
    with pytest.raises(ZeroDivisionError):
        await ownthread.begun(lambda: 1 // 0, name="test")
    with pytest.raises(RuntimeError, match="StopIteration, which no future takes"):
        await ownthread.begun(partial(next, iter(())), name="test")


async def test_a_mount_that_hangs_holds_up_none_of_the_threads_that_jobs_need(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers, real = threading.Event(), os.path.realpath
    roots = Roots([tmp_path])

    def realpath(path: str) -> str:
        if "hangs" in str(path):
            answers.wait()
        return real(path)

    monkeypatch.setattr(os.path, "realpath", realpath)
    look = partial(roots.refusal, str(tmp_path / "hangs"), ADMIN)
    looking = [asyncio.create_task(roots.looked(look)) for _ in range(50)]
    await asyncio.wait(looking, timeout=0.1)
    for each in looking:
        each.cancel()
    await asyncio.wait(looking)

    assert await asyncio.to_thread(lambda: "at once") == "at once"
    late = asyncio.create_task(roots.looked(partial(roots.refusal, str(tmp_path), ADMIN)))
    answers.set()
    assert await late is None


async def test_where_no_thread_can_be_had_the_next_one_looks_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    roots = Roots([tmp_path])
    look = partial(roots.refusal, str(tmp_path), ADMIN)

    def none(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", none)
        for _ in range(20):
            with pytest.raises(RuntimeError):
                await roots.looked(look)

    assert await asyncio.wait_for(roots.looked(look), 30) is None


def test_two_threads_may_write_the_same_file(tmp_path: Path) -> None:
    errors: list[BaseException] = []

    def write() -> None:
        try:
            for _ in range(50):
                rundir.write_aside(tmp_path / "note", b"whole")
        except OSError as error:
            errors.append(error)

    threads = [threading.Thread(target=write) for _ in range(2)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert errors == []
    assert [file.name for file in tmp_path.iterdir()] == ["note"]


def test_folders_are_not_made_in_one_that_was_removed(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        versions._make_beneath(tmp_path / "gone", tmp_path / "gone" / "a" / "b")
    versions._make_beneath(tmp_path / "gone", tmp_path / "gone")
    assert not (tmp_path / "gone").exists()

    versions._make_beneath(tmp_path, tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
