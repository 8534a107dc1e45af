"""What users of the client may rely on, from the real daemon and from the fake one alike."""

import asyncio
import itertools
from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image

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
    return {**job, "name": f"job-{next(NUMBERS)}", **more}


def running(client, job=LONG, **more):
    """Submit a job and return it once it has trained an epoch."""
    handle = client.submit(named(job, **more))
    for event in handle.watch():
        if isinstance(event, ftctl.EpochEnded):
            return handle
    raise AssertionError(f"{handle} ended: {handle.get()}")


def faults(client, job):
    with pytest.raises(ftctl.InvalidJob) as caught:
        client.submit(job)
    return {fault.field: fault.description for fault in caught.value.faults}


@pytest.fixture(scope="module")
def ended(socket):
    """A job that has run to its good end, and its events."""
    with ftctl.Client(socket) as client:
        handle = client.submit(named())
        events = list(handle.watch())
        return handle.wait(timeout_s=TIMEOUT_S), events


def test_a_submitted_job_is_found_by_id_prefix_and_name(client):
    handle = client.submit(named(LONG))

    assert handle.submitted.state is JobState.QUEUED
    assert len(handle.id) == 32
    found = {client.get(ref).id for ref in (handle.id, handle.id[:12], handle.name)}
    assert found == {handle.id}


def test_a_job_without_a_name_bears_the_start_of_its_id(client):
    handle = client.submit(LONG)

    assert handle.name == handle.id[:8]


def test_a_job_runs_to_its_good_end(ended):
    job, _ = ended

    assert job.check() is job
    assert (job.outcome.reason, job.outcome.exit_code) == (OutcomeReason.COMPLETED, 0)
    assert job.outcome.message == "Trained to the end of its recipe."
    assert [epoch.epoch for epoch in job.epochs] == [1, 2]
    assert job.best in job.epochs
    assert job.best.val.accuracy_low <= job.best.val.accuracy <= job.best.val.accuracy_high
    assert (job.plan["epochs"], job.plan["batch_size"]) == (2, 64)
    assert {artifact.kind for artifact in job.artifacts} >= {"model", "picture/curves"}
    assert job.create_time <= job.start_time <= job.end_time
    assert (job.attempt, len(job.attempts)) == (1, 1)
    assert set(job.attempts[0].devices) < {"sim0", "sim1"}


def test_its_events_come_without_a_gap_from_submission_to_end(ended):
    job, events = ended

    assert [event.sequence for event in events] == list(range(1, job.last_sequence + 1))
    assert {event.job_id for event in events} == {job.id}
    states = [event.state for event in events if isinstance(event, ftctl.StateChanged)]
    assert states == [
        JobState.QUEUED, JobState.STARTING, JobState.RUNNING, JobState.SUCCEEDED,
    ]  # fmt: skip
    kinds = [type(event) for event in events]
    assert kinds.index(ftctl.Planned) < kinds.index(ftctl.EpochEnded)
    assert events[-1].outcome == job.outcome
    assert {event.kind for event in events if isinstance(event, ftctl.CheckpointSaved)} == {
        "last", "best",
    }  # fmt: skip


def test_watch_goes_on_from_a_sequence_number(ended, client):
    job, events = ended

    assert list(client.watch(job.id, after_sequence=4)) == events[4:]


def test_the_log_of_a_job_can_be_read_whole_and_from_its_end(ended, client):
    job, _ = ended

    whole = "".join(client.logs(job.id))

    assert whole.endswith("\n")
    last = whole.splitlines(keepends=True)[-1]
    assert "".join(client.logs(job.id, last_lines=1, follow=True)) == last


def test_metrics_are_the_epochs_as_rows(ended, client):
    job, _ = ended

    metrics = client.metrics(job.name)

    assert tuple(metrics) == job.epochs
    assert metrics.rows()[-1]["val_accuracy"] == job.epochs[-1].val.accuracy


@pytest.fixture
def images(tmp_path):
    """Return three images of the size of a digit."""
    paths = [tmp_path / f"{number}.png" for number in range(3)]
    for number, path in enumerate(paths):
        Image.new("L", (8, 8), 80 * number).save(path)
    return paths


def test_the_model_of_a_job_says_what_images_show(ended, client, images):
    job, _ = ended

    seen = list(client.predict(job.name, images))

    classes = set(job.plan["data"]["classes"])
    assert [answer.path for answer in seen] == images
    for answer in seen:
        assert answer.top[0] == (answer.label, answer.probability)
        assert {label for label, _ in answer.top} <= classes
        assert len(answer.top) == min(len(classes), 5)
        assert sum(share for _, share in answer.top) <= 1 + 1e-6
    assert list(client.predict(job.name, images)) == seen


def test_an_image_that_cannot_be_read_is_named_after_the_answers_before_it(ended, client, images):
    job, _ = ended
    images[1].write_bytes(b"no image")
    seen = []

    with pytest.raises(ftctl.BadImage) as caught:
        seen.extend(answer.path for answer in client.predict(job.name, images))

    assert str(caught.value) == (
        f"{images[1]} is no image of a known kind: it begins with b'no image'"
    )
    assert caught.value.path == images[1]
    assert seen == images[:1]


def test_a_job_without_a_model_says_what_to_do(client, images):
    handle = running(client)
    name = handle.name

    with pytest.raises(ftctl.ArtifactNotFound) as caught:
        list(handle.predict(images))
    assert str(caught.value) == (
        f"job {name} has no model yet: it is still running; wait for its end with "
        f"`ftctl watch {name}`"
    )

    handle.cancel()
    handle.wait(timeout_s=TIMEOUT_S)
    with pytest.raises(ftctl.ArtifactNotFound) as caught:
        list(handle.predict(images))
    assert str(caught.value) == (
        f"job {name} ended CANCELLED before it had a model; `ftctl get {name}` says why"
    )


def test_an_unknown_job_has_no_model(client, images):
    with pytest.raises(ftctl.JobNotFound, match="no job has the name or id `nothing`"):
        list(client.predict("nothing", images))


def test_validate_returns_a_plan_and_stores_nothing(client):
    before = len(client.jobs())

    job = client.validate(named())

    assert (job.id, job.plan["epochs"]) == ("", 2)
    assert len(client.jobs()) == before


def test_a_running_job_is_cancelled(client):
    handle = running(client)

    assert handle.cancel().state in (JobState.CANCELLING, JobState.CANCELLED)

    job = handle.wait(timeout_s=TIMEOUT_S)
    assert (job.state, job.outcome.reason) == (
        JobState.CANCELLED, OutcomeReason.CANCELLED_BY_USER,
    )  # fmt: skip
    assert job.outcome.message == "The job was cancelled by its user."


def test_cancelling_a_job_that_has_ended_changes_nothing(ended, client):
    job, _ = ended

    assert client.cancel(job.id) == client.get(job.id)


def test_wait_gives_up_after_its_time_and_the_job_goes_on(client):
    handle = client.submit(named(LONG))

    with pytest.raises(ftctl.NotEnded) as caught:
        handle.wait(timeout_s=0.3)

    assert str(caught.value) == f"job {handle.name} has not ended within 0.3 s; it goes on"
    assert not handle.get().state.is_terminal


@pytest.mark.parametrize("verb", ["get", "cancel", "wait", "watch", "logs"])
def test_an_unknown_job_is_told_by_every_verb(client, verb):
    with pytest.raises(ftctl.JobNotFound, match="no job has the name or id `nothing`"):
        list(getattr(client, verb)("nothing"))


def test_a_name_is_free_again_once_its_job_has_ended(client):
    job = named(LONG)
    first = client.submit(job)
    with pytest.raises(ftctl.NameTaken) as caught:
        client.submit(job)
    assert str(caught.value).startswith(f"the name `{job['name']}` belongs to job {first.id}")

    first.cancel()
    first.wait(timeout_s=TIMEOUT_S)
    second = client.submit(job)

    assert client.get(job["name"]).id == second.id


def test_all_faults_of_a_job_are_told_at_once(client):
    job = {"name": "A b", "priority": 5000, "resources": {"devices": 7, "memory": "9GiB"}}

    told = faults(client, job)

    assert told["data"] == told["model"] == told["train"] == "is missing"
    assert told["name"].startswith("`A b` is not a name")
    assert told["priority"] == "5000 is out of range; -1000 to 1000"
    assert told["resources.devices"].startswith("asks for 7 devices; this machine has 2")
    assert told["resources.memory"] == "asks for 9 GiB of each device; the largest has 4 GiB"


def test_a_count_below_one_is_a_fault(client):
    job = {**JOB, "train": {**JOB["train"], "epochs": 0}}

    assert faults(client, job) == {"train.epochs": "should be greater than or equal to 1, not 0"}


def test_a_job_may_follow_only_one_that_is_there(client):
    assert faults(client, {**JOB, "after": ["nothing"]}) == {
        "after[0]": "no job has the name or id `nothing`; `ftctl list` shows the names and ids "
        "of all"
    }


def test_a_job_waits_for_another_and_fails_with_it(client):
    first = running(client)
    second = client.submit(named(after=[first.name]))
    watching = second.watch()
    reasons = (event.reason for event in watching if isinstance(event, ftctl.StateChanged))
    assert f"waits for {first.name}" in reasons
    watching.close()

    first.cancel()

    job = second.wait(timeout_s=TIMEOUT_S)
    assert job.outcome.reason is OutcomeReason.DEPENDENCY_FAILED
    assert job.outcome.message == f"{first.name}, which it waited for, ended CANCELLED."


def test_jobs_are_listed_from_the_latest_on_page_by_page(client):
    handles = [client.submit(named(LONG)) for _ in range(3)]

    ids = [job.id for job in client.list(page_size=2)]

    assert ids[:3] == [handle.id for handle in reversed(handles)]
    assert len(set(ids)) == len(ids)
    assert [job.id for job in client.jobs(limit=2)] == ids[:2]


def test_jobs_are_listed_by_their_state(ended, client):
    job, _ = ended
    waiting = client.submit(named(LONG))

    succeeded = [item.id for item in client.list(states=[JobState.SUCCEEDED])]

    assert job.id in succeeded
    assert waiting.id not in succeeded


def test_devices_say_who_is_on_them(client):
    assert [device.id for device in client.devices()] == ["sim0", "sim1"]

    handle = running(client)

    busy = [device for device in client.devices() if device.jobs]
    assert [job.job_id for device in busy for job in device.jobs] == [handle.id]
    assert [device.state for device in busy] == [ftctl.DeviceState.BUSY]


def test_a_drained_device_takes_no_job_until_it_is_resumed(client):
    for device in client.devices():
        assert client.drain_device(device.id, "dust").reason == "dust"
    handle = client.submit(named())

    with pytest.raises(ftctl.NotEnded):
        handle.wait(timeout_s=0.5)
    assert handle.get().attempt == 0

    for device in client.devices():
        assert client.resume_device(device.id).state is ftctl.DeviceState.FREE
    handle.wait(timeout_s=TIMEOUT_S).check()


def test_an_unknown_device_is_told(client):
    with pytest.raises(ftctl.DeviceNotFound, match="no device has the id `gpu9`"):
        client.drain_device("gpu9")


def test_the_sync_client_works_inside_a_running_event_loop(ended, client):
    job, _ = ended

    async def notebook():
        async with ftctl.AsyncClient(client.socket) as other:
            return client.get(job.id), await other.get(job.id), list(client.watch(job.id))

    here, there, events = asyncio.run(notebook())

    assert here == there == client.get(job.id)
    assert len(events) == job.last_sequence


def test_threads_share_a_client(ended, client):
    job, events = ended

    with ThreadPoolExecutor(8) as pool:
        seen = list(pool.map(lambda _: list(client.watch(job.id)), range(16)))

    assert seen == [events] * 16
