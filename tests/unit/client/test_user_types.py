"""A user's code with the types of both clients passes `mypy --strict`, and mistakes do not."""

import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent.parent.parent
SOUND = """
import asyncio

from ftctl import AsyncClient, Client, EpochEnded, Job, JobFailed, JobState, Metrics
from ftctl.testing import FakeDaemon


def script() -> Job:
    with Client("/run/ftd.sock", patience_s=5) as client:
        handle = client.submit({"name": "x"}, overrides={"train.epochs": 3})
        for event in handle.watch():
            if isinstance(event, EpochEnded) and event.epoch.val is not None:
                print(event.epoch.val.accuracy)
        metrics: Metrics = handle.metrics()
        rows: list[dict[str, float | None]] = metrics.rows()
        print(rows, "".join(handle.logs()), [device.id for device in client.devices()])
        states = {job.state for job in client.list(states=[JobState.RUNNING])}
        print(states)
        return handle.wait(timeout_s=5.0).check()


async def coroutine() -> Job:
    async with AsyncClient() as client:
        handle = await client.submit("job.yaml")
        async for event in handle.watch(after_sequence=3):
            print(event.sequence)
        return (await handle.wait()).check()


def test_mine() -> None:
    with FakeDaemon(devices=2, pace_s=None) as daemon, Client(daemon.socket) as client:
        job = client.submit({"name": "x"})
        daemon.finish(job)
        daemon.fail(job.get(), "why")


try:
    script()
    asyncio.run(coroutine())
except JobFailed as error:
    print(error.job_id)
"""
WRONG = """
from ftctl import AsyncClient, Client

Client().submit(3)
for job in AsyncClient().list():
    pass
name: int = Client().get("x").name
"""


def strict(path: Path, text: str) -> tuple[int, str]:
    """Check a file as its user would."""
    path.write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file", "pyproject.toml", str(path)],
        cwd=CHECKOUT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def test_a_users_file_passes(tmp_path):
    assert strict(tmp_path / "mine.py", SOUND) == (0, "Success: no issues found in 1 source file\n")


def test_a_mistake_in_a_users_file_is_found(tmp_path):
    code, told = strict(tmp_path / "mine.py", WRONG)

    assert code == 1
    assert [line.split(":")[1] for line in told.splitlines() if ": error:" in line] == [
        "4", "5", "7",
    ]  # fmt: skip
