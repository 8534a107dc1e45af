"""What Tab offers, and that it says nothing where there is nothing to say."""

import asyncio
import os
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
    told = ["--help", "--socket", "--server", "--ca", "-f", "-n"]
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


async def test_bash_offers_live_names(full, tmp_path):
    command = tmp_path / "ftctl"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m ftctl "$@"\n')
    command.chmod(0o755)
    script = (
        'eval "$(ftctl completion bash)"\n'
        'COMP_WORDS=(ftctl get ants-b); COMP_CWORD=2; _ftctl; echo "${COMPREPLY[@]}"'
    )
    environment = {
        **os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "FTCTL_SOCKET": str(full.socket)
    }  # fmt: skip

    process = await asyncio.create_subprocess_exec(
        "bash", "-c", script, env=environment, stdout=asyncio.subprocess.PIPE
    )

    assert (await process.communicate())[0] == b"ants-bees\n"


async def test_another_shell_is_bad_input(daemon):
    process = await start(daemon, "completion", "tcsh")
    _, err = await process.communicate()

    assert process.returncode == 2
    assert b"argument SHELL: `tcsh` is unknown; known: bash, zsh, fish" in err
