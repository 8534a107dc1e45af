"""Real photos over a line that is cut, and archives that are refused: the real daemon."""

import hashlib
import tarfile

import grpc
import pytest

import ftctl
from finetuned.v1 import dataset_pb2
from finetuned.v1 import dataset_service_pb2 as pb
from finetuned.v1.dataset_service_pb2_grpc import DatasetServiceStub
from ftctl import status
from ftctl.testing import FakeDaemon
from tests.contract.conftest import real
from tests.fakes import doors
from tests.fakes.archives import BOMB, HOSTILE, bomb, pack, refusal
from tests.fakes.cutting import cutting

CUTS = [3_000_000, 7_111_111, 11_222_222, 15_333_333, 20_444_444]
MOST_AGAIN = 0.05


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """The folder in which a real daemon runs."""
    return tmp_path_factory.mktemp("real")


@pytest.fixture(scope="module")
def socket(place):
    with real(place) as socket:
        yield socket


@pytest.fixture
def cars(shared):
    return shared / "data" / "stanford_cars_10class.tar"


def digest_of(archive):
    """Return the digest of an archive's files, as the API defines it."""
    lines = []
    with tarfile.open(archive) as tar:
        for info in tar:
            if info.isfile():
                content = tar.extractfile(info).read()
                path = info.name.partition("/")[2]
                lines.append((path, f"{hashlib.sha256(content).hexdigest()} {len(content)} {path}"))
    text = "".join(f"{line}\n" for _, line in sorted(lines))
    return hashlib.sha256(text.encode()).hexdigest()


def pushed(socket, source):
    seen = []
    with ftctl.Client(socket) as client:
        made = client.push_dataset("cars", source, on_progress=seen.append)
    return made, seen[-1].sent_bytes


def test_photos_arrive_whole_over_a_line_that_is_cut_five_times(socket, place, cars, tmp_path):
    with FakeDaemon() as other, cutting(tmp_path / "whole", other.socket) as line:
        pushed(tmp_path / "whole", cars)
        uncut_bytes = line.sent_bytes

    with cutting(tmp_path / "cut", socket, CUTS) as line:
        made, sent_bytes = pushed(tmp_path / "cut", cars)

    content = sent_bytes / made.size_bytes - 1
    wire = line.sent_bytes / uncut_bytes - 1
    print(
        f"\n{made.files} files, {made.size_bytes:,} bytes, {line.done} cuts; sent again: "
        f"{sent_bytes - made.size_bytes:,} bytes of files ({content:.2%}), "
        f"{line.sent_bytes - uncut_bytes:,} bytes on the line ({wire:.2%})"
    )
    assert line.done == 5
    assert made.digest == digest_of(cars)
    assert files_of(place)  # the control of what is looked at below
    assert content <= MOST_AGAIN
    assert wire <= MOST_AGAIN


async def test_photos_arrive_whole_over_tls_that_is_cut_five_times(line, cars, tmp_path):
    pair, seen = doors.certificate(tmp_path / "tls"), []
    async with doors.opened(line, pair) as door:
        daemon = ("127.0.0.1", int(door.server.partition(":")[2]))
        with cutting(("127.0.0.1", 0), daemon, CUTS) as proxy:
            told = {**door.arguments(), "server": f"localhost:{proxy.port}"}
            async with ftctl.AsyncClient(**told) as client:
                made = await client.push_dataset("cars", cars, on_progress=seen.append)

    content = seen[-1].sent_bytes / made.size_bytes - 1
    print(f"\nby TLS, {proxy.done} cuts; sent again: {content:.2%} of the bytes of files")
    assert (proxy.done, made.user) == (5, "alice")
    assert made.digest == digest_of(cars)
    assert content <= MOST_AGAIN


def files_of(place):
    """Return the files that a daemon keeps of data sets, with their sizes."""
    return {
        path.relative_to(place): path.stat().st_size
        for path in (place / "state").rglob("*")
        if path.is_file() and "datasets" in path.parts
    }


def test_hostile_archives_are_refused_and_nothing_is_written(socket, place, tmp_path):
    before = files_of(place)
    said, wanted = {}, {}
    archives = {kind: (pack(tmp_path / f"{number}.tar", *members), fault)
                for number, (kind, (members, fault)) in enumerate(HOSTILE.items())}  # fmt: skip
    archives["a bomb"] = (bomb(tmp_path / "bomb.tar.bz2"), BOMB)

    with cutting(tmp_path / "s", socket) as line, ftctl.Client(tmp_path / "s") as client:
        for kind, (path, fault) in archives.items():
            wanted[kind] = refusal(path, fault)
            with pytest.raises(ftctl.InvalidDataset) as caught:
                client.push_dataset("evil", path)
            said[kind] = str(caught.value)
        assert "evil" not in [item.name for item in client.datasets()]

    assert said == wanted
    assert line.sent_bytes < 20_000  # who listens, and the list
    assert files_of(place) == before


def test_a_list_with_such_paths_is_refused_by_the_daemon_too(socket, place):
    before = files_of(place)
    paths = ["../evil", "/etc/passwd", "a/1.jpg", "A/1.JPG"]
    files = [dataset_pb2.DatasetFile(path=path, size_bytes=1, sha256=bytes(32)) for path in paths]

    with grpc.insecure_channel(f"unix:{socket}") as channel:
        requests = iter([pb.BeginPushRequest(name="evil", files=files)])
        answers = DatasetServiceStub(channel).BeginPush(requests)
        with pytest.raises(grpc.RpcError) as caught:
            next(answers)

    assert str(status.from_rpc(caught.value, address="here")) == (
        "the list of files has 3 faults\n"
        "  files[0].path: `../evil` holds `.` or `..`; say it from the data set's own folder\n"
        "  files[1].path: `/etc/passwd` is absolute; paths begin within the data set\n"
        "  files[3].path: `A/1.JPG` and `a/1.jpg` differ by case, or by how letters are composed, "
        "alone; elsewhere they are one file: rename one"
    )
    assert files_of(place) == before
