"""The command as a process: Ctrl-C, closed pipes, terminals, sockets by environment."""

import asyncio
import os
import signal

import pytest

from finetuned.v1 import job_pb2
from finetuned.v1 import job_service_pb2 as pb
from tests.fakes import story
from tests.fakes.terminals import screen, start, terminal


async def test_ctrl_c_leaves_the_job_and_says_how_to_come_back(daemon):
    job_id = daemon.add("ants-bees")
    await daemon.emit(job_id, **story.state(job_pb2.JOB_STATE_RUNNING))
    process = await start(daemon, "watch", "ants-bees")
    first = await process.stdout.readline()

    process.send_signal(signal.SIGINT)
    rest, err = await process.communicate()

    assert first.endswith(b"  running\n")
    assert (process.returncode, rest) == (130, b"")
    assert err.decode() == (
        "left ants-bees, which goes on\n"
        "  ftctl watch ants-bees   comes back\n"
        "  ftctl cancel ants-bees  ends it\n"
    )
    assert daemon.jobs[job_id].state == job_pb2.JOB_STATE_RUNNING


async def test_ctrl_c_while_planning_leaves_the_job_too(daemon, tmp_path):
    (tmp_path / "job.yaml").write_text("name: ants-bees\n")
    process = await start(daemon, "submit", str(tmp_path / "job.yaml"))
    await daemon.asked(pb.WatchJobRequest)

    process.send_signal(signal.SIGINT)
    out, err = await process.communicate()

    assert process.returncode == 130
    assert out.startswith(b"submitted ants-bees  ")
    assert err.startswith(b"left ants-bees, which goes on\n")


async def test_ctrl_c_in_submit_watch_leaves_the_job_and_says_so(daemon, tmp_path):
    (tmp_path / "job.yaml").write_text("name: ants-bees\n")

    async def begin(job_id):
        await daemon.emit(job_id, **story.state(job_pb2.JOB_STATE_RUNNING))

    daemon.on_submit = begin
    process = await start(daemon, "submit", "--watch", str(tmp_path / "job.yaml"))
    assert (await process.stdout.readline()).endswith(b"  running\n")

    process.send_signal(signal.SIGINT)
    _, err = await process.communicate()

    [job] = daemon.jobs.values()
    assert process.returncode == 130
    assert err.startswith(b"left ants-bees, which goes on\n")
    assert job.state == job_pb2.JOB_STATE_RUNNING
    assert not [request for request in daemon.requests if isinstance(request, pb.CancelJobRequest)]


async def test_ctrl_c_in_the_live_view_gives_the_terminal_back(daemon):
    job_id = daemon.add("ants-bees")
    await daemon.emit(job_id, **story.state(job_pb2.JOB_STATE_RUNNING))
    ours, theirs = terminal(80)
    process = await start(daemon, "watch", "ants-bees", stdout=theirs)
    os.close(theirs)
    shown = asyncio.create_task(screen(ours))
    await daemon.asked(pb.WatchJobRequest)

    process.send_signal(signal.SIGINT)
    _, err = await process.communicate()

    assert process.returncode == 130
    assert err.startswith(b"left ants-bees")
    # The cursor is shown again.
    assert (await shown).rindex("\x1b[?25h") > (await shown).rindex("\x1b[?25l")


async def test_a_wheel_turns_while_a_job_waits(daemon):
    job_id = daemon.add("ants-bees")
    await daemon.emit(job_id, **story.state(job_pb2.JOB_STATE_QUEUED, reason="waits for pretrain"))
    ours, theirs = terminal(80)
    process = await start(daemon, "watch", "ants-bees", stdout=theirs)
    os.close(theirs)

    await screen(ours, until="⠸")

    process.send_signal(signal.SIGINT)
    await process.communicate()
    os.close(ours)


@pytest.mark.parametrize("columns", [60, 80, 160])
async def test_a_terminal_shows_the_epochs_and_the_end(daemon, columns):
    job_id = daemon.add("ants-bees", recipe_json='{"model":{"name":"mobilenet_v2"}}')
    await story.tell(daemon, job_id, epochs=3)
    ours, theirs = terminal(columns)

    process = await start(daemon, "watch", "ants-bees", stdout=theirs)
    os.close(theirs)
    shown = await screen(ours)

    assert await process.wait() == 0
    assert "validation" in shown
    assert "succeeded after" in shown
    assert "artifacts/model.safetensors" in shown


async def test_a_terminal_shows_where_the_faults_of_a_plan_are(daemon, tmp_path):
    (tmp_path / "job.yaml").write_text("name: ants-bees\ndata:\n  folder: {path: /nowhere}\n")
    fault = job_pb2.RecipeFault(field="data.folder.path", description="there is no such folder")
    outcome = job_pb2.JobOutcome(reason=job_pb2.OUTCOME_REASON_BAD_RECIPE, faults=[fault])

    async def fail(job_id):
        await daemon.emit(job_id, **story.state(job_pb2.JOB_STATE_FAILED, outcome=outcome))

    daemon.on_submit = fail
    ours, theirs = terminal(100)

    process = await start(daemon, "submit", "--watch", "job.yaml", stdout=theirs, cwd=tmp_path)
    os.close(theirs)
    shown = await screen(ours)

    assert await process.wait() == 2
    assert "job.yaml:3:12: data.folder.path: there is no such folder" in shown


async def test_no_color_is_respected(daemon, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    await story.tell(daemon, daemon.add("ants-bees"), epochs=2)
    ours, theirs = terminal(80)

    process = await start(daemon, "watch", "ants-bees", stdout=theirs)
    os.close(theirs)
    shown = await screen(ours)

    assert await process.wait() == 0
    assert "succeeded after" in shown
    # 36 is cyan, 32 green: the colours of the bar and of a good end.
    assert not any(f"\x1b[{code}" in shown for code in ("36m", "32m", "1;32m", "38;5"))


async def test_who_has_read_enough_closes_the_pipe_quietly(daemon):
    await story.tell(daemon, daemon.add("ants-bees"), epochs=2)
    ours, theirs = os.pipe()
    os.close(ours)

    process = await start(daemon, "watch", "ants-bees", stdout=theirs)
    os.close(theirs)
    _, err = await process.communicate()

    assert (process.returncode, err) == (141, b"")


async def test_wrong_arguments_are_bad_input(daemon):
    process = await start(daemon, "list", "--state", "dead")
    _, err = await process.communicate()

    assert process.returncode == 2
    assert b"argument --state: `dead` is unknown; known: queued" in err


async def test_a_daemon_that_goes_away_writes_no_foreign_lines(daemon):
    job_id = daemon.add("ants-bees")
    await daemon.emit(job_id, **story.state(job_pb2.JOB_STATE_RUNNING))
    process = await start(daemon, "watch", "ants-bees")
    await process.stdout.readline()

    await daemon.stop()
    gone = await process.stderr.readline()
    await daemon.start()
    await daemon.emit(job_id, **story.failure())
    out, err = await process.communicate()

    assert process.returncode == 1
    assert out.count(b"\n") == 1
    assert gone == b"ftctl: the daemon is away, trying again; the job goes on\n"
    back, *log = err.splitlines()
    assert back == b"ftctl: the daemon is back"
    assert all(line.startswith(b"| ") for line in log)


async def test_a_terminal_shows_how_long_the_daemon_has_been_away(daemon):
    job_id = daemon.add("ants-bees")
    await daemon.emit(job_id, **story.state(job_pb2.JOB_STATE_RUNNING))
    ours, theirs = terminal(80)
    process = await start(daemon, "watch", "ants-bees", stdout=theirs)
    os.close(theirs)
    await daemon.asked(pb.WatchJobRequest)

    await daemon.stop()
    shown = await screen(ours, until="s, trying again; the job goes on")
    await daemon.start()
    await daemon.emit(job_id, **story.failure())
    rest = await screen(ours)

    assert await process.wait() == 1
    assert "the daemon has been away for " in shown
    assert "repair or delete the file" in rest
