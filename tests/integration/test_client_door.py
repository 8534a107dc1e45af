"""Both clients and the command through the real door: TLS, tokens, other users' jobs."""

import asyncio
import contextlib
import json
import signal
import socket
import sys
from pathlib import Path

import pytest
import structlog

import ftctl
from ftd.jobs.model import JobState, Outcome, OutcomeReason
from tests.fakes import doors
from tests.fakes.doors import bare
from tests.fakes.jobs import NOW

JOB = """\
name: ants
data: {digits: {}}
model: {cnn: {}}
train: {epochs: 2, batch_size: 64, optimizer: {sgd: {lr: 0.1}}}
"""
DONE = Outcome(reason=OutcomeReason.COMPLETED, message="trained to the end")


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    return doors.certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
async def door(line, pair):
    async with doors.opened(line, pair) as door:
        yield door


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "job.yaml"
    path.write_text(JOB)
    return path


async def finish(door, job):
    for state in (JobState.STARTING, JobState.RUNNING):
        await door.line.office.move(job.id, state)
    await door.line.office.move(job.id, JobState.SUCCEEDED, outcome=DONE)


# --- paths ----------------------------------------------------------------------------------


async def test_relative_paths_mean_nothing_to_a_daemon_elsewhere(door, tmp_path):
    file = tmp_path / "job.yaml"
    file.write_text(JOB.replace("{digits: {}}", "{folder: {path: photos}}"))

    async with ftctl.AsyncClient(**door.arguments()) as client:
        with pytest.raises(ftctl.InvalidJob) as refused:
            await client.submit(file, overrides={"model.weights": "file:w.pth"})

    told = [str(fault) for fault in refused.value.faults]
    which = "is relative, and the daemon is on another machine; say the absolute path there, or "
    which += "push the data with `ftctl dataset push`"
    assert told[0] == f"{file}:2:17: data.folder.path: `photos` {which}"
    assert told[1].startswith("--set model.weights: `w.pth` is relative, and the daemon is on")


async def test_without_data_roots_a_user_pushes_his_data(door, file):
    async with ftctl.AsyncClient(**door.arguments()) as client:
        with pytest.raises(ftctl.InvalidJob) as refused:
            await client.submit(file, overrides={"data": {"folder": {"path": "/data"}}})

    assert [str(fault) for fault in refused.value.faults] == [
        "--set data: data.folder.path: paths of the daemon's machine are for its admins; push "
        "the data with `ftctl dataset push`, or ask for a data root (`ftd serve --data-roots`)"
    ]


# --- the clients ----------------------------------------------------------------------------


async def test_the_async_client_submits_watches_and_lists_through_the_door(door, file):
    async with ftctl.AsyncClient(**door.arguments()) as client:
        job = await client.submit(file)
        watching = asyncio.create_task(anext(aiter(job.watch(after_sequence=1)), None))
        await finish(door, job)
        seen = await watching
        ended = await job.wait()

        assert (client.socket, str(client.address)) == (None, door.server)
        assert seen.state is ftctl.JobState.STARTING
        assert (ended.state, ended.user) == (ftctl.JobState.SUCCEEDED, "alice")
        assert [each.id for each in await client.jobs()] == [job.id]
        assert len(await client.devices()) == 2


async def test_the_sync_client_submits_cancels_and_lists_through_the_door(door, file):
    def script():
        with ftctl.Client(**door.arguments()) as client:
            job = client.submit(file)
            job.cancel()
            events = list(job.watch())
            return job.get(), events, client.jobs()

    job, events, jobs = await asyncio.to_thread(script)

    assert (job.state, job.user) == (ftctl.JobState.CANCELLED, "alice")
    assert events[-1].state is ftctl.JobState.CANCELLED
    assert [each.name for each in jobs] == ["ants"]


async def test_a_stranger_is_refused_and_so_is_a_user_where_only_admins_may(door):
    async with ftctl.AsyncClient(**door.arguments("stranger")) as client:
        with pytest.raises(ftctl.Unauthenticated, match="this needs a token that is live"):
            await client.jobs()
    async with ftctl.AsyncClient(**door.arguments("alice")) as client:
        with pytest.raises(ftctl.PermissionDenied, match="user alice may not drain devices"):
            await client.drain_device("sim0")


async def test_a_job_of_another_user_is_not_found_and_not_named(door, file):
    async with ftctl.AsyncClient(**door.arguments()) as client:
        await client.submit(file)
    (job,) = door.line.office.jobs.values()
    door.line.office.fleet.hold(job, (door.line.office.devices[0].id,))

    async with ftctl.AsyncClient(**door.arguments("bob")) as client:
        devices = await client.devices()
        with pytest.raises(ftctl.JobNotFound):
            await client.get("ants")

    assert [job.label for job in devices[0].jobs] == ["another user's job"]
    assert "another user&#x27;s job" in devices._repr_html_()
    assert "another user&#x27;s job" in devices[0]._repr_html_()
    assert "runs another user's job" in repr(devices[0])
    assert "another user's job" in repr(devices)


async def test_a_token_that_is_revoked_ends_a_watch(door, file):
    async with ftctl.AsyncClient(**door.arguments()) as client:
        job = await client.submit(file)
        events = job.watch()
        await anext(events)

        await door.line.office.store.tokens.revoke("laptop", now=NOW)

        with pytest.raises(ftctl.Unauthenticated):
            async for _ in events:
                pass


async def test_a_far_server_is_reached(door):
    """A connection takes five ways there and back: more than gRPC waits for a socket."""

    async def late(reader, writer):
        with contextlib.closing(writer):
            while data := await reader.read(65536):
                await asyncio.sleep(0.1)
                writer.write(data)

    async def pass_on(reader, writer):
        host, port = door.server.split(":")
        far_reader, far_writer = await asyncio.open_connection(host, port)
        await asyncio.gather(late(reader, far_writer), late(far_reader, writer))

    relay = await asyncio.start_server(pass_on, "localhost", 0)
    async with relay:
        port = relay.sockets[0].getsockname()[1]
        arguments = {**door.arguments(), "server": f"localhost:{port}"}
        async with ftctl.AsyncClient(**arguments) as client:
            assert len(await client.devices()) == 2


async def test_the_event_loop_goes_on_while_a_server_says_nothing(monkeypatch):
    monkeypatch.setattr("ftctl.channel.CONNECT_DEADLINE_S", 0.3)
    with socket.create_server(("localhost", 0)) as silent:
        silent.setblocking(False)
        client = ftctl.AsyncClient(server=f"localhost:{silent.getsockname()[1]}", token="x")
        entering = asyncio.create_task(client.__aenter__())

        connection, _ = await asyncio.get_running_loop().sock_accept(silent)
        with connection:
            assert not entering.done()
            with pytest.raises(ftctl.DaemonUnreachable, match="accepted and then said nothing"):
                await entering


# --- the command ----------------------------------------------------------------------------


async def test_every_verb_works_through_the_door(door, file):
    async def told(*words, who="alice"):
        code, out, err = await doors.ftctl(*words, environment=door.environment(who))
        assert (code, err) == (0, "")
        return out

    assert (await told("submit", "--dry-run", str(file))).endswith("nothing was submitted\n")
    async with ftctl.AsyncClient(**door.arguments()) as client:
        job = await client.submit(file)
    await finish(door, job)

    assert "ants" in await told("list")
    assert "alice" in await told("get", "ants")
    assert json.loads(await told("get", "ants", "-o", "json"))["user"] == "alice"
    assert "succeeded" in await told("watch", "ants")
    logs = await doors.ftctl("logs", "ants", environment=door.environment())
    assert "ants has no log" in logs[2]
    metrics = await doors.ftctl("metrics", "ants", environment=door.environment())
    assert "ants has finished no epoch" in metrics[2]
    assert "sim0" in await told("devices")
    assert "sim0 is drained" in await told("devices", "drain", "sim0", who="root")
    assert "takes jobs" in await told("devices", "resume", "sim0", who="root")
    assert "nothing waits" in await told("top")
    assert await told("cancel", "ants") == "ants had already succeeded\n"
    assert door.server in await told("version")
    assert "ants" in await told("completion", "__complete", "get", "")


async def test_submit_follows_through_the_door_until_the_job_is_cancelled(door, file):
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ftctl", "submit", "--watch", str(file),
        env=door.environment(), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    await asyncio.wait_for(process.stdout.readline(), 60)

    code, out, _ = await doors.ftctl("cancel", "ants", environment=door.environment())
    shown, err = await process.communicate()

    assert (code, out) == (0, "ants is cancelled\n")
    assert (process.returncode, err) == (1, b"")
    assert b"cancelled" in shown


async def test_the_options_are_the_same_as_the_environment(door):
    token = {**bare(), "FTCTL_TOKEN": door.tokens["alice"]}
    options = ("--server", door.server, "--ca", str(door.ca))

    before = await doors.ftctl(*options, "list", environment=token)
    after = await doors.ftctl("list", *options, environment=token)

    assert before == after
    assert (before[0], before[2]) == (0, "")


async def test_refusals_have_an_exit_code_of_their_own(door):
    assert await doors.ftctl("list", environment=door.environment("stranger")) == (
        4, "",
        "ftctl: this needs a token that is live; ask who runs the daemon for one (`ftd token "
        "create NAME` makes it) and put it into FTCTL_TOKEN or an `ftctl context`\n",
    )  # fmt: skip
    code, _, err = await doors.ftctl(
        "devices", "drain", "sim0", environment=door.environment("alice")
    )
    assert (code, err.split(";")[0]) == (4, "ftctl: user alice may not drain devices")


async def test_without_a_token_nothing_is_asked(door):
    environment = {**door.environment(), "FTCTL_TOKEN": ""}

    assert await doors.ftctl("list", environment=environment) == (
        2, "",
        f"ftctl: there is no token for {door.server}; put one into FTCTL_TOKEN, or keep it with "
        f"`ftctl context add NAME --server {door.server}`; who runs the daemon makes one with "
        "`ftd token create NAME`\n",
    )  # fmt: skip


async def test_a_watch_says_how_to_come_back_to_the_same_server(door, file):
    async with ftctl.AsyncClient(**door.arguments()) as client:
        await client.submit(file)
    environment = {**bare(), "FTCTL_TOKEN": door.tokens["alice"]}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ftctl", "--server", door.server, "--ca", door.ca, "watch", "ants",
        env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    await asyncio.wait_for(process.stdout.readline(), 60)

    process.send_signal(signal.SIGINT)
    _, err = await process.communicate()

    assert process.returncode == 130
    assert f"ftctl --server {door.server} --ca {door.ca} watch ants" in err.decode()


async def test_a_token_stands_in_no_command_line_no_log_and_no_output(door, file):
    with structlog.testing.capture_logs() as logged:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "ftctl", "submit", "--watch", str(file),
            env=door.environment(), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        await asyncio.wait_for(process.stdout.readline(), 60)
        lines = await asyncio.to_thread(command_lines)
        await door.line.office.store.tokens.revoke("laptop", now=NOW)
        out, err = await process.communicate()

    assert process.returncode == 4
    assert b"this needs a token that is live" in err
    assert any(b"ftctl" in line for line in lines)
    token = door.tokens["alice"]
    assert not [line for line in lines if token.encode() in line]
    assert token not in f"{logged} {out!r} {err!r}"


def command_lines():
    """Return the command line of every process of the machine."""
    lines = []
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            lines.append(each.read_bytes())
    return lines


# --- doctor ---------------------------------------------------------------------------------


async def test_doctor_looks_at_the_connection_and_the_certificate(door):
    code, out, _ = await doors.ftctl("doctor", environment=door.environment())

    assert code == 0
    assert out.splitlines()[0] == (
        f"warning  server: {door.server} by TLSv1.3; its certificate is good for 2 days"
    )
    assert "         who runs the daemon has to renew it, and restart `ftd serve`" in out
    assert "daemon: answers in" in out
    assert "socket" not in out


async def test_doctor_says_what_is_wrong_with_a_server(door):
    environment = {**door.environment(), "FTCTL_CA": ""}

    code, out, _ = await doors.ftctl("doctor", environment=environment)

    assert code == 1
    assert out.splitlines() == [
        f"failure  server: no daemon can be reached at {door.server} (its certificate is not "
        "trusted); name the file of the CA that signed it with --ca FILE or FTCTL_CA"
    ]


async def test_who_falls_off_is_told(door, file):
    """A daemon that goes away while it is watched."""
    async with ftctl.AsyncClient(**door.arguments(), patience_s=0.1) as client:
        job = await client.submit(file)
        events = job.watch()
        await anext(events)
        await door.line.listener.stop()

        with pytest.raises(ftctl.WatchInterrupted) as told:
            async for _ in events:
                pass

    assert str(told.value).startswith(f"the daemon at {door.server} has been away for 0.1 s; job ")
