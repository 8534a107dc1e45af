"""What Tab offers, and that it says nothing where there is nothing to say."""

import asyncio
import os
import re
import shutil
import sys

import pytest

from finetuned.v1 import device_pb2
from ftctl.cli import VERBS
from ftctl.cli.completion import SCRIPTS
from tests.fakes.terminals import start


async def offered(daemon, *words):
    process = await start(
        daemon, "completion", "__complete", *words, stderr=asyncio.subprocess.PIPE
    )
    out, err = await process.communicate()
    assert (process.returncode, err) == (0, b"")
    return out.decode().split()


@pytest.fixture
async def full(daemon):
    daemon.add("ants-bees")
    daemon.add("ants-only")
    daemon.add("cars")
    daemon.devices.all = [device_pb2.Device(id="gpu0"), device_pb2.Device(id="gpu1")]
    return daemon


async def test_commands_are_offered(full):
    assert await offered(full, "") == list(VERBS)
    assert await offered(full, "can") == ["cancel"]


@pytest.mark.parametrize("verb", ["watch", "get", "cancel", "logs", "metrics", "predict"])
async def test_live_job_names_are_offered(full, verb):
    assert sorted(await offered(full, verb, "ants")) == ["ants-bees", "ants-only"]


async def test_live_device_ids_are_offered(full):
    assert await offered(full, "devices", "") == ["drain", "resume"]
    assert await offered(full, "devices", "drain", "") == ["gpu0", "gpu1"]


async def test_options_are_offered(full):
    assert await offered(full, "--") == ["--help", "--version", "--socket", "--server", "--ca"]
    assert await offered(full, "submit", "--d") == ["--dry-run"]
    told = ["--help", "--socket", "--server", "--ca", "-f", "-n", "-o"]
    assert await offered(full, "logs", "ants-bees", "-") == told


async def test_for_files_nothing_is_offered(full):
    assert await offered(full, "submit", "") == []
    assert await offered(full, "predict", "ants-bees", "") == []


async def test_without_a_daemon_it_is_silent(full):
    await full.stop()

    assert await offered(full, "watch", "") == []


async def test_the_socket_of_the_line_is_the_one_that_is_asked(full, tmp_path):
    assert await offered(full, "--socket", str(tmp_path / "none"), "watch", "") == []


@pytest.mark.parametrize("shell", SCRIPTS)
async def test_each_shell_takes_its_script(daemon, shell):
    process = await start(daemon, "completion", shell)
    script, _ = await process.communicate()

    assert process.returncode == 0
    if shutil.which(shell):
        check = await asyncio.create_subprocess_exec(
            shell, "-n", "/dev/stdin", stdin=asyncio.subprocess.PIPE
        )
        await check.communicate(script)
        assert check.returncode == 0


@pytest.fixture
def at_home(full, tmp_path):
    """Where a shell finds the command, its daemon, a file, and a folder that is called as a job."""
    command = tmp_path / "bin" / "ftctl"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m ftctl "$@"\n')
    command.chmod(0o755)
    (tmp_path / "photos.yaml").touch()
    (tmp_path / "ants-bees").mkdir()
    environment = {
        **os.environ, "PATH": f"{command.parent}:{os.environ['PATH']}", "HOME": str(tmp_path),
        "FTCTL_SOCKET": str(full.socket), "TERM": "xterm-256color",
    }  # fmt: skip

    async def run(*words, given=None):
        process = await asyncio.create_subprocess_exec(
            *words, env=environment, cwd=tmp_path,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        return (await process.communicate(given))[0].decode()

    return run


def wanted(shell):
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")


# What is typed, and what stands there once Tab was pressed.
LINES = (
    ("ftctl canc", "ftctl cancel"),
    ("ftctl get ants-b", "ftctl get ants-bees"),
    ("ftctl devices drain gpu1", "ftctl devices drain gpu1"),
    ("ftctl submit pho", "ftctl submit photos.yaml"),
    ("ftctl submit photos.yaml --wat", "ftctl submit photos.yaml --watch"),
)


async def test_bash_offers_live_names(at_home):
    script = (
        'eval "$(ftctl completion bash)"\n'
        'COMP_WORDS=(ftctl get ants-b); COMP_CWORD=2; _ftctl; echo "${COMPREPLY[@]}"'
    )

    assert await at_home("bash", "-c", script) == "ants-bees\n"


async def test_zsh_completes_lines(at_home):
    wanted("zsh")
    typed = ['autoload -U compinit; compinit -u; eval "$(ftctl completion zsh)"\n']
    # Ctrl-A and `echo` before the line, so that it is printed and not run.
    typed += [f"{line}\t\x01echo is: \n" for line, _ in LINES]

    # With a terminal of its own, or there is no line to edit.
    drawn = await at_home(
        sys.executable, "-c", "import pty, sys; pty.spawn(sys.argv[1:])", "zsh", "-f", "-i",
        given="".join([*typed, "exit\n"]).encode(),
    )  # fmt: skip

    printed = re.findall(r"^is: (.*?)\s*$", drawn.replace("\r", ""), re.MULTILINE)
    assert printed == [line for _, line in LINES]


async def test_fish_completes_lines(at_home):
    wanted("fish")
    asked = "\n".join(f"complete --do-complete '{line}'; echo ." for line, _ in LINES)

    told = await at_home("fish", "--no-config", "-c", f"ftctl completion fish | source\n{asked}")

    assert [each.split("\t")[0].split() for each in told.split(".\n")[:-1]] == [
        [line.split()[-1]] for _, line in LINES
    ]


async def test_another_shell_is_bad_input(daemon):
    process = await start(daemon, "completion", "tcsh")
    _, err = await process.communicate()

    assert process.returncode == 2
    assert b"argument SHELL: `tcsh` is unknown; known: bash, zsh, fish" in err
