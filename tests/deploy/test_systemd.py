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
