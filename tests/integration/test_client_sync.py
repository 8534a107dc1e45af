"""The sync client and the fake daemon for users' tests, beyond what their contract says."""

import asyncio
import os
import signal
import subprocess
import sys
import threading

import pytest

import ftctl
from ftctl import JobState, OutcomeReason
from ftctl.testing import FakeDaemon
from tests.house import twin

JOB = {"data": {"digits": {}}, "model": {"cnn": {}}, "train": {"epochs": 2}}
TEXT = "data: {digits: {}}\nmodel: {cnn: {}}\ntrain: {epochs: 3}\n"


@pytest.fixture
def daemon():
    """A fake daemon whose jobs wait to be told."""
    with FakeDaemon(pace_s=None) as fake:
        yield fake


@pytest.fixture
def client(daemon):
    with ftctl.Client(daemon.socket, patience_s=20) as connected:
        yield connected


def test_the_committed_twin_is_what_the_written_client_gives():
    assert twin.main(["--check"]) == 0


def test_a_stale_twin_is_told(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(twin, "GENERATED", tmp_path)

    assert twin.main(["--check"]) == 1
    assert capsys.readouterr().err == "client/ftctl/_sync is stale: make sync\n"


def test_texts_of_the_twin_say_nothing_async():
    for text in twin.twin(twin.WRITTEN).values():
        assert not {"await", "async", "AsyncClient", "aio"} & set(text.split())


@pytest.mark.parametrize("job", [JOB, TEXT, '{"data": {"digits": {}}, "model": {"cnn": {}}, '
                                            '"train": {"epochs": 2}}'])  # fmt: skip
def test_a_job_may_be_a_mapping_or_a_text(client, job):
    assert client.submit(job).get().recipe["data"] == {"digits": {}}


def test_a_job_may_be_the_path_of_its_file(client, tmp_path):
    (tmp_path / "job.yaml").write_text(TEXT)

    for path in (tmp_path / "job.yaml", str(tmp_path / "job.yaml")):
        handle = client.submit(path, overrides={"train.epochs": 5})
        assert handle.get().recipe["train"] == {"epochs": 5}


def test_the_faults_of_a_text_have_their_places(client):
    with pytest.raises(ftctl.InvalidJob) as caught:
        client.submit("data: {digits: {}}\nmodel: {cnn: {}}\ntrain: {epochs: 0}\n")

    assert str(caught.value) == (
        "job:3:9: train.epochs: should be greater than or equal to 1, not 0"
    )


def test_a_client_needs_no_with_and_connects_again_after_a_close(daemon):
    client = ftctl.Client(daemon.socket)
    handle = client.submit(JOB)
    client.close()
    client.close()

    assert handle.get().id == handle.id
    client.close()


def test_closing_a_client_ends_what_another_thread_watches(daemon, client):
    handle = client.submit(JOB)
    told = []

    def watch():
        try:
            list(handle.watch())
        except ftctl.DaemonUnreachable as error:
            told.append(str(error))

    watching = threading.Thread(target=watch)
    watching.start()
    daemon.wait_for_calls("WatchJob")
    client.close()
    watching.join(20)

    assert told == [f"the connection to {daemon.socket} was closed while it was used"]


def test_a_cut_watch_goes_on_without_gap_or_duplicate(daemon, client):
    handle, seen, gaps = client.submit(JOB), [], []
    for event in handle.watch(on_gap=gaps.append):
        seen.append(event.sequence)
        if event.sequence in (2, 5):
            daemon.cut_streams()
        daemon.step(handle)

    assert seen == list(range(1, handle.get().last_sequence + 1))
    assert None in gaps


def test_a_watch_survives_a_restart_of_the_daemon(daemon, client):
    handle = client.submit(JOB)
    watching = handle.watch()
    assert next(watching).sequence == 1

    daemon.stop()
    daemon.start()
    daemon.finish(handle)

    assert [event.sequence for event in watching][:2] == [2, 3]


def test_a_daemon_that_stays_away_is_told(daemon):
    with ftctl.Client(daemon.socket, patience_s=0.2) as client:
        handle = client.submit(JOB)
        watching = handle.watch()
        next(watching)
        daemon.stop()

        with pytest.raises(ftctl.WatchInterrupted, match=r"has been away for 0.2 s; job"):
            list(watching)


@pytest.mark.parametrize(
    ("method", "ask"),
    [
        ("GetJob", lambda client: client.get("only")),
        ("ListJobs", lambda client: client.jobs()),
        ("CancelJob", lambda client: client.cancel("only")),
        ("SubmitJob", lambda client: client.submit(JOB)),
        ("ListDevices", lambda client: client.devices()),
    ],
)
def test_a_call_that_may_be_repeated_is_where_the_daemon_is_away(daemon, client, method, ask):
    client.submit({**JOB, "name": "only"})
    daemon.calls.clear()
    daemon.refuse_next(method, "SHUTTING_DOWN")

    ask(client)

    assert daemon.calls == [method, method]


def test_another_refusal_is_not_asked_again(daemon, client):
    daemon.refuse_next("ListDevices", "INTERNAL", "no")

    with pytest.raises(ftctl.DaemonError, match="no"):
        client.devices()

    assert daemon.calls == ["ListDevices"]


def test_a_lost_answer_to_a_submission_makes_no_second_job(daemon, client):
    daemon.refuse_next("SubmitJob", "SHUTTING_DOWN")

    client.submit(JOB)

    assert len(client.jobs()) == 1


def test_ctrl_c_ends_a_wait(daemon):
    code = "import ftctl\nwith ftctl.Client() as client:\n    client.wait('long')"
    with ftctl.Client(daemon.socket) as client:
        client.submit({**JOB, "name": "long"})
    script = subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "FTCTL_SOCKET": str(daemon.socket)},
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    daemon.wait_for_calls("WatchJob")

    script.send_signal(signal.SIGINT)
    _, err = script.communicate(timeout=20)

    assert err.splitlines()[-1] == "KeyboardInterrupt"


async def test_both_clients_work_beside_each_other_in_a_running_loop(daemon, capfd):
    async with ftctl.AsyncClient(daemon.socket) as other:
        with ftctl.Client(daemon.socket) as client:
            handle = client.submit(JOB)
            watching = asyncio.ensure_future(other.wait(handle.id))
            await asyncio.to_thread(daemon.finish, handle)

            assert (await watching) == client.wait(handle.id)

    assert capfd.readouterr().err == ""


# --- the fake daemon ------------------------------------------------------------------------


def test_jobs_of_a_fake_daemon_run_by_themselves():
    with FakeDaemon() as daemon, ftctl.Client(daemon.socket) as client:
        first = client.submit({**JOB, "name": "first"})
        second = client.submit({**JOB, "after": ["first"]})

        assert first.wait().check().best == first.metrics()[-1]
        assert second.wait().check().epochs[-1].epoch == 2
        assert repr(daemon) == f"<FakeDaemon at {daemon.socket}, 2 jobs>"
    assert not daemon.socket.parent.exists()


def test_jobs_of_a_fake_daemon_run_when_they_are_told(daemon, client):
    handle = client.submit(JOB)

    daemon.step(handle)
    assert handle.get().plan["epochs"] == 2
    daemon.run_epoch(handle.id)
    assert len(handle.metrics()) == 1
    daemon.write_log(handle, "half-way\n")
    daemon.finish(handle.get())

    assert handle.wait().state is JobState.SUCCEEDED
    assert "".join(handle.logs()).endswith("half-way\n")


def test_a_job_of_a_fake_daemon_fails_when_it_is_told(daemon, client):
    handle = client.submit({**JOB, "name": "doomed"})
    daemon.run_epoch(handle)

    daemon.fail(handle, "No memory is left.", reason=OutcomeReason.KILLED_BY_SIGNAL, remedy="Ask.")

    with pytest.raises(ftctl.JobFailed) as caught:
        handle.wait().check()
    assert str(caught.value) == "job doomed failed: No memory is left.\nAsk."


def test_a_full_fake_daemon_has_the_next_job_wait(daemon, client):
    first, second = client.submit(JOB), client.submit(JOB)
    daemon.run_epoch(first)

    daemon.finish(second)
    assert second.get().reason == "waits for a device"

    daemon.finish(first)
    daemon.finish(second)
    assert second.wait().check().attempts[0].devices == ("sim0",)


def test_jobs_that_say_their_memory_share_a_device(daemon, client):
    jobs = [client.submit({**JOB, "resources": {"memory": "2GiB"}}) for _ in range(3)]
    for job in jobs:
        daemon.run_epoch(job)

    assert [job.get().state for job in jobs] == [
        JobState.RUNNING, JobState.RUNNING, JobState.QUEUED,
    ]  # fmt: skip


def test_an_unknown_reason_is_refused(daemon):
    with pytest.raises(ValueError, match="NO_REASON is no reason of the API; there are INVALID"):
        daemon.refuse_next("SubmitJob", "NO_REASON")
