"""Pauses, from the real daemon and from the fake one alike."""

import itertools

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
    return {**job, "name": f"pause-{next(NUMBERS)}", **more}


def reach(handle, state):
    for event in handle.watch():
        if isinstance(event, ftctl.StateChanged) and event.state is state:
            return handle.get()
    raise AssertionError(f"{handle.name} never was {state}")


def trained(handle):
    """Return the job once it has told an epoch."""
    for event in handle.watch():
        if isinstance(event, ftctl.EpochEnded):
            return handle.get()
    raise AssertionError(f"{handle.name} told no epoch")


def test_a_paused_job_holds_no_device_and_says_by_whom_and_since_when(client):
    handle = client.submit(named(LONG))
    trained(handle)

    handle.pause()
    paused = reach(handle, JobState.PAUSED)

    assert paused.reason == f"paused by {paused.user}"
    assert paused.pause_time is not None
    assert paused.attempts[-1].end_time is not None
    while handle.id in {job.job_id for each in client.devices() for job in each.jobs}:
        pass  # Its device comes back right after.
    assert handle.pause().state is JobState.PAUSED
    handle.cancel()
    ended = handle.wait(timeout_s=TIMEOUT_S)
    assert (ended.state, ended.pause_time) == (JobState.CANCELLED, None)


def test_a_resumed_job_goes_on_in_another_attempt_and_tells_each_epoch_once(client):
    handle = client.submit(named(LONG))
    before = trained(handle)
    handle.pause()
    paused = reach(handle, JobState.PAUSED)

    resumed = handle.resume()
    for event in handle.watch(after_sequence=paused.last_sequence):
        if isinstance(event, ftctl.EpochEnded):
            break
    handle.cancel(finish=True)
    ended = handle.wait(timeout_s=TIMEOUT_S)

    assert resumed.state is not JobState.PAUSED
    assert resumed.pause_time is None
    assert (ended.state, ended.attempt) == (JobState.SUCCEEDED, 2)
    assert ended.outcome.reason is OutcomeReason.STOPPED_BY_USER
    assert [epoch.epoch for epoch in ended.epochs] == list(range(1, len(ended.epochs) + 1))
    assert ended.epochs[: len(before.epochs)] == before.epochs


def test_a_job_that_waits_is_held_back(client):
    first = client.submit(named(LONG))
    waiting = client.submit(named(after=first.name))

    assert waiting.pause().state is JobState.PAUSED
    assert waiting.resume().state is JobState.QUEUED
    first.cancel()
    first.wait(timeout_s=TIMEOUT_S)


def test_a_job_that_is_not_paused_is_resumed_without_effect(client):
    handle = client.submit(named(LONG))
    trained(handle)

    assert handle.resume().attempt == 1


@pytest.mark.parametrize("verb", ["pause", "resume"])
def test_an_ended_job_is_refused(client, verb):
    ended = client.submit(named()).wait(timeout_s=TIMEOUT_S)

    with pytest.raises(ftctl.JobEnded) as refused:
        getattr(client, verb)(ended.name)

    assert str(refused.value) == (
        f"job {ended.name} is succeeded and has ended, there is nothing to {verb}; submit it again "
        "to have it run again"
    )


def test_a_paused_job_cannot_finish(client):
    first = client.submit(named(LONG))
    waiting = client.submit(named(after=first.name))
    waiting.pause()

    with pytest.raises(ftctl.JobNotRunning) as refused:
        waiting.cancel(finish=True)

    assert str(refused.value) == (
        f"job {waiting.name} is paused: `ftctl resume {waiting.name}` has it train on, after which "
        f"this can be asked; `ftctl cancel {waiting.name}` ends it now"
    )
    first.cancel()
