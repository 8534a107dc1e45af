"""Pushes in trouble: what is tried again, what is told, word for word."""

import os

import pytest

import ftctl
from ftctl import PushPhase
from ftctl.testing import FakeDaemon
from ftctl.upload import digests, source
from ftctl.upload.pieces import call_bytes
from tests.fakes.cutting import cutting


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def daemon():
    with FakeDaemon() as daemon:
        yield daemon


@pytest.fixture
def client(daemon):
    with ftctl.Client(daemon.socket, patience_s=20) as client:
        yield client


@pytest.fixture
def photos(tmp_path):
    """A folder of 20 photos."""
    for number in range(20):
        path = tmp_path / "photos" / "ab"[number % 2] / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(20_000))
    return tmp_path / "photos"


def once(phase, what):
    """Return what does something when a push is first told to be in a phase; and what was told."""
    told = []

    def tell(progress):
        is_first = progress.phase is phase and phase not in [item.phase for item in told]
        told.append(progress)
        if is_first:
            what()

    return tell, told


def test_a_push_survives_a_restart_of_the_daemon(daemon, client, photos):
    def restart():
        daemon.stop()
        daemon.start()

    tell, told = once(PushPhase.SENDING, restart)
    made = client.push_dataset("photos", photos, on_progress=tell)

    assert made.files == 20
    assert told[-1].sent_bytes <= 1.05 * made.size_bytes


def test_the_phases_of_a_push_come_in_order(daemon, client, photos, tmp_path):
    told = []
    with cutting(tmp_path / "s", daemon.socket, [100_000]), ftctl.Client(tmp_path / "s") as far:
        far.push_dataset("photos", photos, on_progress=told.append)

    phases = [item.phase for item in told]
    assert list(dict.fromkeys(phases)) == [
        PushPhase.LISTING, PushPhase.DIGESTING, PushPhase.SENDING, PushPhase.INTERRUPTED,
        PushPhase.DONE,
    ]  # fmt: skip
    assert told[-1].done_bytes == told[-1].size_bytes == 400_000
    interrupted = [item for item in told if item.phase is PushPhase.INTERRUPTED]
    assert all(item.away_seconds is not None for item in interrupted)


def test_a_daemon_that_stays_away_is_told(daemon, photos):
    with ftctl.Client(daemon.socket, patience_s=0.3) as client:
        tell, _ = once(PushPhase.SENDING, daemon.stop)
        with pytest.raises(ftctl.PushInterrupted) as caught:
            client.push_dataset("photos", photos, on_progress=tell)

    assert str(caught.value) == (
        f"the daemon at {daemon.socket} has been away for 0.3 s; what has arrived of photos stays "
        "there, and the same push goes on from it"
    )


def test_without_a_daemon_nothing_is_read(photos, tmp_path):
    told = []
    with pytest.raises(ftctl.DaemonUnreachable, match="there is no such socket"):
        ftctl.Client(tmp_path / "s").push_dataset("x", photos, on_progress=told.append)
    assert told == []


@pytest.mark.parametrize(
    ("method", "reason"), [("SendFiles", "PUSH_NOT_FOUND"), ("FinishPush", "PUSH_INCOMPLETE")]
)
def test_a_push_that_the_daemon_lost_is_begun_anew(daemon, client, photos, method, reason):
    daemon.refuse_next(method, reason)

    assert client.push_dataset("photos", photos).files == 20

    assert daemon.calls.count("BeginPush") == 2


def test_a_push_that_the_daemon_loses_again_and_again_is_told(daemon, client, photos):
    for _ in range(9):
        daemon.refuse_next("SendFiles", "PUSH_NOT_FOUND", "no push `x` is known")

    with pytest.raises(ftctl.PushNotFound, match="no push `x` is known"):
        client.push_dataset("photos", photos)
    assert daemon.calls.count("BeginPush") == 4


def test_a_full_disk_is_told_at_once(daemon, client, photos):
    daemon.refuse_next("SendFiles", "DISK_FULL", "the disk has 1 GiB left")

    with pytest.raises(ftctl.DiskFull, match="the disk has 1 GiB left"):
        client.push_dataset("photos", photos)
    assert daemon.calls.count("SendFiles") == 1


def test_a_file_that_shrinks_while_it_is_pushed_is_told(client, photos):
    shrunk = photos / "b" / "9.jpg"
    tell, _ = once(PushPhase.SENDING, lambda: shrunk.write_bytes(b""))

    with pytest.raises(ftctl.BadInput) as caught:
        client.push_dataset("photos", photos, on_progress=tell)

    assert str(caught.value) == (
        f"{shrunk} has changed since it was first looked at; push again once it rests"
    )


def test_digests_that_proved_wrong_are_computed_anew(daemon, client, photos, monkeypatch):
    monkeypatch.setattr(digests, "RESTS_AFTER_S", -1.0)
    daemon.refuse_next("SendFiles", "DIGEST_MISMATCH")
    with pytest.raises(ftctl.DigestMismatch):
        client.push_dataset("photos", photos)
    with digests.Cache(digests.place()) as cache:
        listing = source.listing(photos)
        forgotten = [cache.get(entry) for entry in listing.entries]

    assert forgotten == [None] * 20


def test_what_is_sent_at_once_is_little():
    sizes = [call_bytes(size) for size in (0, 10**5, 24 * 10**6, 10**12)]

    assert sizes == [4096, 4096, 187_500, 8 * 2**20]


def test_data_sets_show_themselves(client, photos):
    made = client.push_dataset("photos", photos)

    assert repr(made) == f"<Dataset photos: 20 files, 400.0 kB, digest {made.digest[:12]}>"
    assert repr(client.datasets()).splitlines()[0].split() == [
        "name", "user", "files", "MB", "digest", "pushed",
    ]  # fmt: skip
    assert "1 data set" in client.datasets()._repr_html_()
    shown = client.dataset("photos")._repr_html_()
    assert "400.0 kB" in shown
    assert "<td" in shown.partition(">folder<")[2]
