"""`ftctl top` on a terminal: it takes the screen, gives it back, and outlives the daemon."""

import asyncio
import os
import re
import signal
import termios

import pytest

from finetuned.v1 import device_service_pb2 as pb
from tests.fakes import fleet
from tests.fakes.terminals import screen, start, terminal

TAKES, GIVES = "\x1b[?1049h", "\x1b[?1049l"


@pytest.fixture
def machine(daemon):
    fleet.load(daemon)
    return daemon


async def watching(daemon, columns=80):
    """Start `ftctl top` on a terminal of its own; return it and our end."""
    ours, theirs = terminal(columns)
    process = await start(daemon, "top", stdout=theirs, stdin=theirs)
    return process, ours, theirs


@pytest.mark.parametrize("key", [b"q", b"Q"])
async def test_q_leaves_and_gives_the_terminal_back(machine, key):
    process, ours, theirs = await watching(machine)
    shown = await screen(ours, until="q leaves")

    os.write(ours, b"x" + key)
    code = await process.wait()
    after = termios.tcgetattr(theirs)
    os.close(theirs)
    rest = await screen(ours)

    assert code == 0
    assert TAKES in shown
    assert GIVES in rest
    assert after[3] & (termios.ICANON | termios.ECHO) == termios.ICANON | termios.ECHO


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0), (signal.SIGHUP, 0)]
)
async def test_signals_leave_and_give_the_terminal_back(machine, number, code):
    process, ours, theirs = await watching(machine)
    await screen(ours, until="q leaves")

    process.send_signal(number)
    ended = await process.wait()
    mode = termios.tcgetattr(theirs)[3]
    os.close(theirs)
    rest = await screen(ours)

    assert ended == code
    assert GIVES in rest
    assert mode & termios.ICANON
    assert (await process.stderr.read()) == b""


async def test_the_screen_follows_what_the_daemon_says(machine):
    process, ours, theirs = await watching(machine)
    await screen(ours, until="ants-bees-…")

    machine.devices.all[2].state = 4
    await screen(ours, until="drained")
    del machine.jobs[f"{1:032x}"]
    await screen(ours, until="3 running")

    process.send_signal(signal.SIGTERM)
    os.close(theirs)
    await screen(ours)
    assert await process.wait() == 0


async def test_a_restart_of_the_daemon_is_told_and_survived(machine):
    process, ours, theirs = await watching(machine)
    await screen(ours, until="q leaves")

    await machine.stop()
    away = await screen(ours, until="s, trying again; the jobs go on")
    await machine.start()
    back = await screen(ours, until="q leaves")

    process.send_signal(signal.SIGTERM)
    os.close(theirs)
    await screen(ours)
    assert await process.wait() == 0
    assert "the daemon has been away for " in away
    assert "sweep-lr-00" in back


async def test_it_asks_about_once_a_second_and_draws_at_most_twice(machine):
    process, ours, theirs = await watching(machine)
    loop = asyncio.get_running_loop()
    await machine.asked(pb.ListDevicesRequest)
    begun = loop.time()

    await machine.asked(pb.ListDevicesRequest, 4)
    took = loop.time() - begun
    process.send_signal(signal.SIGTERM)
    os.close(theirs)
    shown = await screen(ours)
    await process.wait()

    # One by itself before the screen is taken, then one each second.
    assert took > 1.5
    assert shown.count("finetuned") <= 2 * (took + 1) + 2


async def test_without_standard_input_there_are_no_keys(machine):
    ours, theirs = terminal(80)
    process = await start(machine, "top", stdout=theirs, stdin=asyncio.subprocess.DEVNULL)
    os.close(theirs)
    await screen(ours, until="q leaves")

    process.send_signal(signal.SIGTERM)
    await screen(ours)

    assert await process.wait() == 0


async def test_no_color_is_respected(machine, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    process, ours, theirs = await watching(machine, columns=160)

    shown = await screen(ours, until="q leaves")
    process.send_signal(signal.SIGTERM)
    os.close(theirs)
    await screen(ours)
    await process.wait()

    # Bold and dim are no colours.
    codes = {code for codes in re.findall(r"\x1b\[([\d;]*)m", shown) for code in codes.split(";")}
    assert codes <= {"", "0", "1", "2"}
    assert "━━━" in shown
