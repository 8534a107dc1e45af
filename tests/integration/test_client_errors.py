"""Every error of the client, raised as its user meets it."""

import inspect
import tempfile
from pathlib import Path

import pytest

import ftctl
from ftctl import errors
from ftctl.testing import FakeDaemon
from ftctl.testing.refusal import CODES

JOB = {"data": {"digits": {}}, "model": {"cnn": {}}, "train": {"epochs": 2}}


def nowhere(_daemon, _client):
    ftctl.Client("/nowhere/ftd.sock").devices()


def interrupted(daemon, _client):
    with ftctl.Client(daemon.socket, patience_s=0.1) as hasty:
        watching = hasty.submit(JOB).watch()
        next(watching)
        daemon.stop()
        list(watching)


def failed(daemon, client):
    handle = client.submit(JOB)
    daemon.fail(handle)
    handle.wait().check()


def paused_late(daemon, client):
    daemon.finish(handle := client.submit(JOB))
    handle.pause()


def full(daemon, client):
    daemon.refuse_next("SubmitJob", "QUEUE_FULL")
    client.submit(JOB)


def broken(daemon, client):
    daemon.refuse_next("ListDevices", "INTERNAL")
    client.devices()


def taken(_daemon, client):
    for _ in range(2):
        client.submit({**JOB, "name": "same"})


def ambiguous(daemon, client):
    daemon.refuse_next("GetJob", "AMBIGUOUS_JOB_ID")
    client.get("abcd")


def refused(daemon, client, reason):
    daemon.refuse_next("ListDevices", reason)
    client.devices()


def pulled(daemon, client):
    with tempfile.TemporaryDirectory() as folder:
        client.submit(JOB).pull("modle", folder)


def needed(daemon, client):
    daemon.finish(first := client.submit({**JOB, "name": "first"}))
    client.submit({**JOB, "after": "first"})
    client.delete(first.id)


def pushed(daemon, client, method="", reason="", times=1):
    """Push a file where a method is refused so often."""
    for _ in range(times):
        if method:
            daemon.refuse_next(method, reason)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "photo.jpg").write_bytes(b"photo")
        client.push_dataset("photos", folder)


def cut_off(daemon, _client):
    with ftctl.Client(daemon.socket, patience_s=0.1) as hasty:
        pushed(daemon, hasty, "SendFiles", "SHUTTING_DOWN", times=9)


def used(daemon, client):
    pushed(daemon, client)
    client.submit({**JOB, "data": {"dataset": "photos"}})
    client.delete_dataset("photos")


WAYS = {
    errors.BadInput: lambda daemon, client: client.submit({"data": object()}),
    errors.BadJobFile: lambda daemon, client: client.submit("/nowhere/job.yaml"),
    errors.InvalidJob: lambda daemon, client: client.submit({"name": "x"}),
    errors.JobNotFound: lambda daemon, client: client.get("nothing"),
    errors.AmbiguousJob: ambiguous,
    errors.BadImage: lambda daemon, client: list(client.predict("job", ["/nowhere.jpg"])),
    errors.NameTaken: taken,
    errors.JobNotEnded: lambda daemon, client: client.delete(client.submit(JOB).id),
    errors.JobNotRunning: lambda daemon, client: client.submit(JOB).cancel(finish=True),
    errors.JobEnded: paused_late,
    errors.JobInUse: needed,
    errors.ImagesLocked: lambda daemon, client: client.submit(JOB).evaluate(split="test"),
    errors.ArtifactNotFound: pulled,
    errors.DeviceNotFound: lambda daemon, client: client.drain_device("gpu9"),
    errors.AmbiguousDevice: lambda daemon, client: client.drain_device("SIM-"),
    errors.DatasetNotFound: lambda daemon, client: client.dataset("nothing"),
    errors.DatasetInUse: used,
    errors.InvalidDataset: lambda *on: pushed(*on, "BeginPush", "INVALID_DATASET"),
    errors.DigestMismatch: lambda *on: pushed(*on, "SendFiles", "DIGEST_MISMATCH"),
    errors.PushNotFound: lambda *on: pushed(*on, "SendFiles", "PUSH_NOT_FOUND", times=9),
    errors.PushIncomplete: lambda *on: pushed(*on, "FinishPush", "PUSH_INCOMPLETE", times=9),
    errors.PushInterrupted: cut_off,
    errors.StoreFailed: lambda *on: pushed(*on, "SendFiles", "STORE_FAILED"),
    errors.DiskFull: lambda *on: pushed(*on, "SendFiles", "DISK_FULL"),
    errors.InvalidRequest: lambda daemon, client: client.get(""),
    errors.Unauthenticated: lambda daemon, client: refused(daemon, client, "UNAUTHENTICATED"),
    errors.PermissionDenied: lambda daemon, client: refused(daemon, client, "PERMISSION_DENIED"),
    errors.DaemonUnreachable: nowhere,
    errors.WatchInterrupted: interrupted,
    errors.DaemonError: broken,
    errors.QueueFull: full,
    errors.NotEnded: lambda daemon, client: client.submit(JOB).wait(timeout_s=0.05),
    errors.JobFailed: failed,
}
RAISED = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, errors.FtctlError) and kind is not errors.FtctlError
]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.mark.parametrize("kind", RAISED, ids=lambda kind: kind.__name__)
def test_every_error_is_raised_and_says_something(kind):
    with FakeDaemon(devices=2, pace_s=None) as daemon, ftctl.Client(daemon.socket) as client:
        with pytest.raises(errors.FtctlError) as caught:
            WAYS[kind](daemon, client)

        assert type(caught.value) is kind
        assert str(caught.value)


def test_every_error_stands_in_the_tree_and_among_the_public_names():
    for kind in RAISED:
        assert kind.__name__ in errors.__doc__
        assert getattr(ftctl, kind.__name__) is kind


def test_every_reason_of_the_api_has_an_error():
    assert set(CODES) == {*errors.BY_REASON, "INVALID_JOB", "INVALID_DATASET"}
