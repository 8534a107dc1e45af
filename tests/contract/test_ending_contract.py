"""Ends and what is left behind, from the real daemon and from the fake one alike."""

import itertools
from datetime import UTC, datetime, timedelta

import pytest

import ftctl
from ftctl import JobState, OutcomeReason

JOB = {
    "data": {"digits": {}},
    "model": {"cnn": {}},
    "train": {"epochs": 2, "batch_size": 64, "optimizer": {"sgd": {"lr": 0.1}}},
}
LONG = {**JOB, "train": {**JOB["train"], "epochs": 2000}}
NUMBERS = itertools.count(1)
TIMEOUT_S = 60


def named(job=JOB, **more):
    return {**job, "name": f"end-{next(NUMBERS)}", **more}


@pytest.fixture(scope="module")
def ended(socket):
    with ftctl.Client(socket) as client:
        return client.submit(named()).wait(timeout_s=TIMEOUT_S)


def test_a_job_that_is_to_finish_ends_well_after_its_epoch(client):
    handle = client.submit(named(LONG))
    for event in handle.watch():
        if isinstance(event, ftctl.EpochEnded):
            break

    asked = handle.cancel(finish=True)
    done = handle.wait(timeout_s=TIMEOUT_S)

    assert asked.is_finishing
    assert not done.is_finishing
    assert (done.state, done.outcome.reason) == (
        JobState.SUCCEEDED, OutcomeReason.STOPPED_BY_USER,
    )  # fmt: skip
    assert len(done.epochs) < 2000
    assert done.outcome.message == (
        f"Ended after epoch {len(done.epochs)}, as its user asked; its model is that of epoch "
        f"{done.best.epoch}, its best."
    )
    assert {artifact.kind for artifact in client.artifacts(done.id)} >= {"model", "checkpoint/best"}


def test_a_job_that_has_not_begun_cannot_finish(client):
    client.submit(first := named(LONG))
    waiting = client.submit(named(after=first["name"]))

    with pytest.raises(ftctl.JobNotRunning) as refused:
        waiting.cancel(finish=True)

    assert str(refused.value) == (
        f"job {waiting.name} is queued and has not begun to train; `ftctl cancel {waiting.name}` "
        "ends it"
    )


def test_an_ended_job_does_not_change_when_it_shall_finish(client, ended):
    assert client.cancel(ended.id, finish=True).outcome.reason is OutcomeReason.COMPLETED


def test_what_a_job_made_is_fetched_whole(client, ended, tmp_path):
    listed = {artifact.kind: artifact for artifact in client.artifacts(ended.id)}

    place = client.pull(ended.id, "model", tmp_path)
    other = client.pull(ended.name, "picture/curves", tmp_path / "mine.png")

    assert place == tmp_path / listed["model"].name
    assert place.stat().st_size == listed["model"].size_bytes > 0
    assert other.stat().st_size == listed["picture/curves"].size_bytes
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([place.name, "mine.png"])


def test_what_a_job_has_not_made_is_answered_with_what_it_has(client, ended, tmp_path):
    with pytest.raises(ftctl.ArtifactNotFound) as missing:
        client.pull(ended.id, "modle", tmp_path)

    has = ", ".join(artifact.kind for artifact in client.artifacts(ended.id))
    assert str(missing.value) == f"job {ended.name} has no artifact `modle`; it has {has}"


def test_a_deleted_job_is_gone(client):
    handle = client.submit(named())
    handle.wait(timeout_s=TIMEOUT_S)

    client.delete(handle.id)

    with pytest.raises(ftctl.JobNotFound):
        handle.get()
    with pytest.raises(ftctl.JobNotFound):
        client.delete(handle.id)
    assert handle.id not in {job.id for job in client.list()}


def test_a_job_that_goes_on_or_is_needed_is_not_deleted(client, ended):
    handle = client.submit(named(LONG, after=ended.name))

    with pytest.raises(ftctl.JobNotEnded, match=f"job {handle.name} is .*; cancel it first"):
        client.delete(handle.id)
    with pytest.raises(ftctl.JobInUse) as needed:
        client.delete(ended.id)

    assert str(needed.value) == (
        f"job {ended.name} is needed by {handle.name}, which has not ended; delete it when that "
        "has ended"
    )


def test_jobs_are_listed_by_name_label_and_user(client):
    handle = client.submit(named(LONG, labels={"team": "ants", "round": "1"}))

    def ids(**wanted):
        return {job.id for job in client.list(**wanted)}

    assert ids(name=handle.name) == {handle.id}
    assert handle.id in ids(name="end-*") & ids(labels={"team": "ants"})
    assert ids(labels={"team": "ants", "round": "2"}) == set()
    assert handle.id in ids(user=handle.get().user)
    assert ids(user="nobody-of-that-name") == set()


def test_the_daemon_says_what_it_is(client):
    daemon = client.daemon()

    assert daemon.version
    assert abs(daemon.time - datetime.now(UTC)) < timedelta(minutes=1)
    assert daemon.start_time <= daemon.time
    assert 0 < daemon.disk_free_bytes <= daemon.disk_bytes
    assert (daemon.is_admin, daemon.any_path, daemon.data_roots) == (True, True, ())


def test_usage_counts_the_jobs_of_each_user(client, ended):
    mine = next(each for each in client.usage() if each.user == ended.user)

    assert mine.ended >= 1
    client.submit(named(LONG))
    client.submit(named(LONG))
    client.submit(named(LONG))
    now = next(each for each in client.usage() if each.user == ended.user)
    assert now.queued + now.running >= mine.queued + mine.running + 1
