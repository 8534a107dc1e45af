"""The units: systemd itself finds no fault in them, and jobs outlive the daemon."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ftd import __main__ as command

UNITS = Path(__file__).resolve().parent.parent.parent / "deploy/systemd"
SYSTEM = UNITS / "ftd.service"
USER = UNITS / "user/ftd.service"
# systemd-analyze's own scale: 0 is sealed, 10 wide open. What is left is said in the unit.
MOST_EXPOSED = 3.0

# A daemon, and a job on it that loads, trains and exports.
ONE_JOB = """
import asyncio, pathlib, sys
from examples.demo import daemon
from ftctl import JobFile
async def main():
    async with daemon.running(pathlib.Path(sys.argv[1])) as own:
        job = await own.client.submit(JobFile.read(pathlib.Path("examples/demo/pretrain.yaml")))
        (await own.client.wait(job.id)).check()
asyncio.run(main())
"""

EITHER = pytest.mark.parametrize("unit", [SYSTEM, USER], ids=["system", "user"])


def settings(unit: Path) -> dict[str, list[str]]:
    """Return what a unit sets, all values of each name."""
    found: dict[str, list[str]] = {}
    for line in unit.read_text().splitlines():
        if match := re.fullmatch(r"(\w+)=(.*)", line):
            found.setdefault(match[1], []).append(match[2])
    return found


@pytest.fixture
def analyze(tmp_path: Path) -> "Analyze":
    """Return systemd-analyze, or skip with the reason."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("units are checked by systemd-analyze: apt-get install systemd")
    return Analyze(tmp_path)


class Analyze:
    """systemd-analyze over a unit whose command is one that this machine has."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, unit: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        copy = self._folder / unit.name
        copy.write_text(
            re.sub(r"(?m)^ExecStart=\S+", f"ExecStart={sys.executable}", unit.read_text())
        )
        return subprocess.run(
            ["systemd-analyze", *arguments, str(copy)],
            env={**os.environ, "XDG_RUNTIME_DIR": str(self._folder)},
            capture_output=True, text=True, check=False,
        )  # fmt: skip


def test_systemd_finds_no_fault_in_the_systems_unit(analyze: Analyze) -> None:
    done = analyze(SYSTEM, "verify")

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_systemd_finds_no_fault_in_the_users_unit(analyze: Analyze) -> None:
    done = analyze(USER, "--user", "verify")

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_systemd_finds_a_fault_that_is_there(analyze: Analyze, tmp_path: Path) -> None:
    wrong = tmp_path / "of" / "ftd.service"
    wrong.parent.mkdir()
    wrong.write_text(SYSTEM.read_text().replace("KillMode=process", "KillMode=proces"))

    assert "Failed to parse kill mode" in analyze(wrong, "verify").stderr


def test_the_unit_is_sealed_as_far_as_it_can_be(analyze: Analyze) -> None:
    done = analyze(SYSTEM, "security", "--offline=yes", "--no-pager")

    score = re.search(r"Overall exposure level for ftd\.service: ([\d.]+)", done.stdout)
    assert score, done.stderr
    print(f"systemd-analyze security: {score[1]} of 10")
    assert float(score[1]) <= MOST_EXPOSED


@EITHER
def test_only_the_daemon_is_told_to_stop(unit: Path) -> None:
    told = settings(unit)

    assert told["KillMode"] == ["process"]
    assert told["OOMPolicy"] == ["continue"]
    assert told["Delegate"] == ["yes"]


def test_nothing_is_taken_from_jobs_that_go_on() -> None:
    told = settings(SYSTEM)

    assert told["PrivateTmp"] == ["no"]
    assert told["RemoveIPC"] == ["no"]
    assert told["PrivateUsers"] == ["no"]
    assert "DynamicUser" not in told


@EITHER
def test_it_is_started_when_it_says_so_and_again_when_it_fails(unit: Path) -> None:
    told = settings(unit)

    assert (told["Type"], told["NotifyAccess"]) == (["notify"], ["main"])
    assert told["Restart"] == ["on-failure"]
    assert told["RestartPreventExitStatus"] == [
        f"{command.EXIT_BAD_CONFIG} {command.EXIT_NOT_INSTALLED}"
    ]
    assert told["ExecStart"][0].endswith("/bin/ftd serve")


def test_each_exception_to_the_seal_has_its_reason() -> None:
    lines = SYSTEM.read_text().partition("# --- what stays open")[2].splitlines()
    names = [line.partition("=")[0] for line in lines if re.match(r"\w+=", line)]

    said = [name for line in lines if line.startswith("# ") for name in re.findall(r"\w+", line)]

    assert [name for name in names if name not in (*said, "WantedBy")] == []


def test_the_user_of_the_unit_is_the_one_that_is_made() -> None:
    made = (UNITS / "finetuned.sysusers.conf").read_text().splitlines()[-1].split()

    assert settings(SYSTEM)["User"] == [made[1]]
    assert made[-1] == "/var/lib/finetuned"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_daemon_and_its_jobs_call_only_what_the_unit_lets_them(tmp_path: Path) -> None:
    missing = [tool for tool in ("strace", "systemd-analyze") if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"calls are watched by {', '.join(missing)}: apt-get install strace systemd")

    done = subprocess.run(
        ["strace", "-f", "-qq", "-c", "-U", "name", "-o", str(tmp_path / "calls"),
         sys.executable, "-c", ONE_JOB, str(tmp_path / "state")],
        cwd=UNITS.parent.parent,
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    called = set((tmp_path / "calls").read_text().split()) - {"syscall", "total"}
    called = {name for name in called if re.fullmatch(r"[a-z]\w+", name)}
    assert done.returncode == 0, done.stderr
    assert {"futex", "inotify_add_watch", "pidfd_open"} <= called
    assert called - let_through(settings(SYSTEM)["SystemCallFilter"]) == set()


def let_through(filters: list[str]) -> set[str]:
    """Return the calls that the lines of a filter allow, one after the other."""
    allowed = group("@default")
    for words in filters:
        for name in words.lstrip("~").split():
            allowed = allowed - group(name) if words.startswith("~") else allowed | group(name)
    return allowed


def group(name: str) -> set[str]:
    """Return the calls of one of systemd's groups."""
    command = ["systemd-analyze", "syscall-filter", "--no-pager", name]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    names = [line.strip() for line in listed.splitlines()[1:]]
    found = {name for name in names if re.fullmatch(r"\w+", name)}
    return found.union(*(group(name) for name in names if name.startswith("@")))
