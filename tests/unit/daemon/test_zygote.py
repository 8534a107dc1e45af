"""What the zygote's process is started with."""

import asyncio
import json
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from ftd.jobs.zygote import COMMAND, Zygote
from tests.wait import wait_until

TELL = """
import json, os, pathlib, sys
pathlib.Path(sys.argv[1]).write_text(json.dumps([os.getcwd(), dict(os.environ)]))
import time; time.sleep(60)
"""


async def test_the_zygote_inherits_neither_the_daemons_settings_nor_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FTD_TOKEN", "secret")
    monkeypatch.setenv("FTCTL_TOKEN", "secret")
    monkeypatch.setenv("HF_HOME", "/caches")
    told = tmp_path / "told"
    command = (sys.executable, "-c", TELL, str(told))

    async with Zygote(tmp_path / "zygote.log", command).running():
        await wait_until(lambda: told.exists() and told.read_text().endswith("]"))
        folder, environment = json.loads(told.read_text())

    assert folder == "/"
    assert "secret" not in environment.values()
    assert environment["HF_HOME"] == "/caches"
    assert environment["OPENBLAS_NUM_THREADS"] == "1"
    assert environment["GLIBC_TUNABLES"] == "glibc.malloc.hugetlb=1"


async def test_a_zygote_that_is_not_ready_yet_holds_no_end_up(tmp_path: Path) -> None:
    told = tmp_path / "told"
    command = (sys.executable, "-c", TELL, str(told))
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(Zygote(tmp_path / "zygote.log", command).running())
        await wait_until(told.exists)
        async with asyncio.timeout(4):
            await stack.aclose()


def test_a_module_in_the_daemons_folder_is_not_taken_for_one_of_the_zygotes() -> None:
    assert COMMAND[1:] == ("-P", "-m", "fttrain.zygote")
