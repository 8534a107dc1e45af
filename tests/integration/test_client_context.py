"""`ftctl context`: servers by name, tokens that no command line and no output shows."""

import asyncio
import json
import os
import pty
import stat
import sys

import pytest

from tests.fakes import doors
from tests.fakes.doors import bare
from tests.fakes.terminals import screen

TOKEN = "ftd_" + "a" * 43


@pytest.fixture
def home(tmp_path):
    return {**bare(), "XDG_CONFIG_HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path / "run")}


@pytest.fixture
def context(home):
    async def run(*words, given=b"", **environment):
        return await doors.ftctl("context", *words, environment=home | environment, given=given)

    return run


async def test_a_context_is_used_by_every_command_until_another_is(context, home, line, tmp_path):
    pair = doors.certificate(tmp_path / "tls")
    async with doors.opened(line, pair) as door:
        added = await context(
            "add", "lab", "--server", door.server, "--ca", str(door.ca),
            FTCTL_TOKEN=door.tokens["alice"],
        )  # fmt: skip
        used = await context("use", "lab")
        listed = await doors.ftctl("list", environment=home)
        once = await doors.ftctl("list", environment={**home, "FTCTL_CONTEXT": "local"})
        back = await context("use", "--none")
        gone = await doors.ftctl("list", environment=home)
        again = await doors.ftctl("list", environment={**home, "FTCTL_CONTEXT": "lab"})

    assert added == (0, "context lab is kept; `ftctl context use lab` has commands go there\n", "")
    assert used == (0, f"commands go to {door.server}, context lab\n", "")
    assert back == (0, "commands go to this machine's socket\n", "")
    assert listed == again
    assert listed[0] == again[0] == 0
    assert once == gone
    assert (gone[0], f"{tmp_path}/run/finetuned/ftd.sock" in gone[2]) == (3, True)


async def test_contexts_that_are_added_at_the_same_time_are_all_kept(context):
    names = [f"lab-{number}" for number in range(8)]
    adding = (context("add", name, "--server", "lab:7443", FTCTL_TOKEN=TOKEN) for name in names)

    await asyncio.gather(*adding)

    told = json.loads((await context("list", "-o", "json"))[1])
    assert sorted(each["name"] for each in told) == [*names, "local"]


async def test_the_token_comes_from_a_pipe_and_is_never_shown(context, tmp_path):
    said = [await context("add", "lab", "--server", "lab:7443", given=f"{TOKEN}\n".encode())]
    said += [await context("add", "attic", "--server", "[::1]:1", FTCTL_TOKEN=TOKEN)]
    said += [
        await context("use", "attic"),
        await context("list"),
        await context("list", "-o", "json"),
    ]
    path = tmp_path / "finetuned" / "contexts.json"

    assert [code for code, _, _ in said] == [0] * 5
    assert not [text for each in said for text in each[1:] if TOKEN in text]
    assert said[3][1].splitlines() == [
        "   name   server                 ca",
        "   local  this machine's socket",
        "   lab    lab:7443",
        "*  attic  [::1]:1",
    ]
    assert json.loads(said[4][1]) == [
        {"name": "local", "server": None, "ca": None, "is_current": False},
        {"name": "lab", "server": "lab:7443", "ca": None, "is_current": False},
        {"name": "attic", "server": "[::1]:1", "ca": None, "is_current": True},
    ]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text().count(TOKEN) == 2


async def test_on_a_terminal_the_token_is_asked_for_and_not_echoed(home):
    ours, theirs = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ftctl", "context", "add", "lab", "--server", "lab:7443",
        env=home, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    shown = await screen(ours, until="token for lab:7443: ")

    os.write(ours, f"{TOKEN}\n".encode())
    shown += await screen(ours)

    assert await process.wait() == 0
    assert "context lab is kept" in shown
    assert TOKEN not in shown


async def test_a_context_is_replaced_and_forgotten(context):
    await context("add", "lab", "--server", "lab:1", FTCTL_TOKEN=TOKEN)
    await context("use", "lab")

    assert await context("add", "lab", "--server", "lab:2", FTCTL_TOKEN=TOKEN) == (
        0, "context lab is replaced\n", "",
    )  # fmt: skip
    assert await context("rm", "lab") == (0, "context lab is forgotten\n", "")
    assert (await context("list"))[1].splitlines()[1:] == ["*  local  this machine's socket"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("use", "lab"),
         "there is no context `lab`; there are local, and `ftctl context add lab --server "
         "HOST:PORT` makes one"),
        (("rm", "lab"),
         "there is no context `lab`; there are local, and `ftctl context add lab --server "
         "HOST:PORT` makes one"),
        (("use",), "say which context to use, or --none for this machine's socket (local)"),
        (("use", "lab", "--none"),
         "say which context to use, or --none for this machine's socket (local)"),
        (("add", "local", "--server", "lab:1"),
         "`local` cannot be the name of a context; say 1 to 63 letters, digits and . _ -, a letter "
         "or digit first, and not `local`, which is this machine's socket"),
        (("add", "lab", "--server", "lab"),
         "`lab` is no server; say HOST:PORT, as lab.example:7443 or [2001:db8::1]:7443"),
        (("add", "lab", "--server", "lab:1"),
         "there is no token for lab:1; put one into FTCTL_TOKEN, or keep it with `ftctl context "
         "add NAME --server lab:1`; who runs the daemon makes one with `ftd token create NAME`"),
    ],
)  # fmt: skip
async def test_what_cannot_be_done_is_said(context, words, message):
    assert await context(*words) == (2, "", f"ftctl: {message}\n")


async def test_a_file_that_others_may_open_is_refused_by_every_command(context, home, tmp_path):
    await context("add", "lab", "--server", "lab:1", FTCTL_TOKEN=TOKEN)
    path = tmp_path / "finetuned" / "contexts.json"
    path.chmod(0o644)

    for words in (("context", "list"), ("list",), ("version",), ("doctor",)):
        code, out, err = await doors.ftctl(*words, environment=home)
        assert (code, out) == (2, "")
        assert err.startswith(f"ftctl: {path} holds tokens and others may open it (mode 0644);")


async def test_contexts_are_completed(context, home):
    await context("add", "lab", "--server", "lab:1", FTCTL_TOKEN=TOKEN)

    async def offered(*words):
        _, out, err = await doors.ftctl("completion", "__complete", *words, environment=home)
        assert err == ""
        return out.split()

    assert await offered("context", "") == ["add", "use", "list", "rm"]
    assert await offered("context", "use", "") == ["lab", "local"]
    assert await offered("context", "rm", "") == ["lab"]
    assert await offered("context", "add", "x", "") == []
