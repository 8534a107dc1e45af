"""`ftd serve` over a store with a damaged page."""

import subprocess
import sys
from pathlib import Path

from ftd.jobs.store import Store


async def test_serve_is_refused_with_what_is_damaged_and_the_command_that_restores(
    tmp_path: Path,
) -> None:
    async with await Store.open(tmp_path / "ftd.sqlite"):
        pass
    tear(tmp_path / "ftd.sqlite")

    done = run("serve", "--socket", str(tmp_path / "ftd.sock"), state=tmp_path)
    restored = run("restore", "--from-runs", state=tmp_path)

    assert done.returncode == 2
    assert done.stderr.startswith(f"ftd: the job store {tmp_path / 'ftd.sqlite'} is damaged: ")
    assert f"`ftd restore --state {tmp_path} BACKUP` brings back" in done.stderr
    assert not (tmp_path / "ftd.sock").exists()
    assert restored.returncode == 0, restored.stderr
    assert restored.stdout.startswith("restored: an empty store, and what has happened since\n")
    async with await Store.open(tmp_path / "ftd.sqlite") as store:
        assert await store.unfinished() == []


def tear(database: Path) -> None:
    """Overwrite one page."""
    with database.open("r+b") as file:
        file.seek(4096 * 3)
        file.write(b"\xa5" * 4096)


def run(verb: str, *words: str, state: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "ftd", verb, "--state", str(state), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
