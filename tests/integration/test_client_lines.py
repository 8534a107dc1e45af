"""Events and logs as JSON Lines, for programs."""

import json

import pytest

from ftctl import Client
from ftctl.cli import dispatch, parser
from ftctl.testing import FakeDaemon

JOB = {"name": "ants", "data": {"digits": {}}, "model": {"cnn": {}}, "train": {"epochs": 2}}


@pytest.fixture
def call(capsys):
    async def run(daemon, *words):
        given = ["--socket", str(daemon.socket), *words]
        code = await dispatch.call(parser(given).parse_args(given))
        printed = capsys.readouterr()
        return code, [json.loads(line) for line in printed.out.splitlines()], printed.err

    return run


async def test_watch_tells_each_event_as_an_object(call):
    with FakeDaemon() as daemon, Client(daemon.socket) as client:
        client.submit(JOB)

        code, told, err = await call(daemon, "watch", "ants", "-o", "json")

    assert (code, err) == (0, "")
    assert [each["sequence"] for each in told] == list(range(1, len(told) + 1))
    kinds = [each["event"] for each in told]
    assert kinds.count("epoch_ended") == 2
    assert {"state_changed", "planned", "progress_made", "artifact_made"} <= set(kinds)
    last = next(each for each in reversed(told) if each["event"] == "epoch_ended")
    assert last["epoch"]["val"]["accuracy"] > 0.5
    assert told[-1]["outcome"]["reason"] == "completed"


async def test_watch_ends_with_the_code_of_the_job(call):
    with FakeDaemon(pace_s=None) as daemon, Client(daemon.socket) as client:
        daemon.fail(client.submit(JOB))

        code, told, _ = await call(daemon, "watch", "ants", "-o", "json")

    assert code == 1
    assert told[-1]["state"] == "failed"


async def test_logs_tells_each_line_as_an_object(call):
    with FakeDaemon() as daemon, Client(daemon.socket) as client:
        client.submit(JOB)

        code, told, err = await call(daemon, "logs", "ants", "-o", "json")

    assert (code, err) == (0, "")
    assert told == [{"line": "training begins"}]
