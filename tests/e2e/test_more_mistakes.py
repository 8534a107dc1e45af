"""More that goes wrong: data that does not fit, mistyped names, sockets of others and the dead."""

import asyncio
import contextlib
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import grpc
import pytest
import pytest_asyncio

from examples.demo import daemon as daemons
from ftctl import release
from tests.e2e.recipes import digits
from tests.e2e.serving import Serving, serving
from tests.e2e.test_first_mistakes import JOB, submit
from tests.photos import make_photo_folder

pytestmark = pytest.mark.asyncio(loop_scope="module")

RETRY = "\nMend the job file and submit it again."
WEIGHTS = "name: mobilenet_v2\n  weights: "
TRAINS = "trains: head"
# Of two jobs of so many, the ids begin alike; the chance that none do is below 1e-12.
MOST_TRIES = 2000
# Runs ftctl as whom the socket does not belong to. All is imported while it can still be read.
AS_NOBODY = """
import os, pkgutil, sys
from importlib import import_module
import ftctl, ftctl.cli
for each in pkgutil.walk_packages(ftctl.__path__, "ftctl."):
    if not each.name.endswith("__main__"):
        import_module(each.name)
if os.getuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
sys.exit(ftctl.cli.main(sys.argv[1:]))
"""
# Runs ftctl as if it were installed in another version: the first argument.
AS_ANOTHER_VERSION = """
import sys
from importlib import metadata
metadata.version = lambda name: sys.argv[1]
from ftctl import cli
sys.exit(cli.main(sys.argv[2:]))
"""


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def daemon(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Serving]:
    """A daemon with whom as many jobs may wait as one test wants."""
    state = tmp_path_factory.mktemp("daemon") / "state"
    async with serving(state, queue_limit=str(MOST_TRIES + 10)) as running:
        yield running


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos of circles and squares, and copies of them in which a class is missing or new."""
    place = tmp_path_factory.mktemp("mistakes")
    make_photo_folder(place / "photos")
    for name in ("alone", "lacking", "strange", "misspelt"):
        shutil.copytree(place / "photos", place / name)
    for split in ("train", "val"):
        shutil.rmtree(place / "alone" / split / "squares")
    shutil.rmtree(place / "lacking/val/squares")
    shutil.copytree(place / "strange/val/squares", place / "strange/val/xylophones")
    (place / "misspelt/val/squares").rename(place / "misspelt/val/sqaures")
    return place


@pytest.mark.parametrize(
    ("good", "bad", "said"),
    [
        pytest.param(
            "lr: 1e-3", "lr: 1e-3, lr: 1e-2",
            "job.yaml:11:31: train.optimizer.sgd.lr: is given twice; first in line 11",
            id="a-key-given-twice",
        ),
        pytest.param(
            "lr: 1e-3", "lr: 0",
            "job.yaml:11:21: train.optimizer.sgd.lr: should be greater than 0, not 0",
            id="no-lr",
        ),
        pytest.param(
            "lr: 1e-3", "lr: -1e-3",
            "job.yaml:11:21: train.optimizer.sgd.lr: should be greater than 0, not -0.001",
            id="a-negative-lr",
        ),
        pytest.param(
            "epochs: 1", "epochs: 0",
            "job.yaml:8:3: train.epochs: should be greater than or equal to 1, not 0",
            id="no-epochs",
        ),
        pytest.param(
            "sgd:", "adamv:",
            "job.yaml:11:15: train.optimizer.adamv: unknown key `adamv`; did you mean `adam`?",
            id="a-mistyped-choice",
        ),
        pytest.param(
            "{sgd: {lr: 1e-3}}", "adan",
            "job.yaml:11:3: train.optimizer.adan: unknown key `adan`; did you mean `adam`?",
            id="a-mistyped-bare-choice",
        ),
        pytest.param(
            "resize: 32", "resize: 32, interpolation: Bilinar",
            "job.yaml:4:28: data.preprocess.interpolation: 'Bilinar' is unknown; "
            "did you mean `bilinear`?",
            id="a-mistyped-value",
        ),
        pytest.param(
            "resize: 32", "resize: 32, interpolation: fast",
            "job.yaml:4:28: data.preprocess.interpolation: 'fast' is not one of bilinear, bicubic",
            id="an-unknown-value",
        ),
        pytest.param(
            "  preprocess", "  augment: horizontal_flip\n  preprocess",
            "job.yaml:4:3: data.augment: should be a list, not 'horizontal_flip'",
            id="no-list",
        ),
        pytest.param(
            "name: mobilenet_v2", WEIGHTS + "job:first/bst",
            "job.yaml:7:3: model.weights: `job:first/bst` is not of the form job:NAME/best or "
            "job:NAME/last",
            id="weights-of-a-job",
        ),
        pytest.param(
            "name: first\n", "name: first\nresourses: {devices: 1}\n",
            "job.yaml:2:1: resourses: unknown key `resourses`; did you mean `resources`?",
            id="a-mistyped-key-of-the-daemon",
        ),
    ],
)  # fmt: skip
async def test_a_fault_that_the_file_alone_shows_is_told_at_once(
    daemon: Serving, place: Path, good: str, bad: str, said: str
) -> None:
    told = await submit(daemon, place, JOB.replace(good, bad))

    assert told == (2, f"{said}\nftctl: 1 fault; nothing was submitted")


async def test_many_faults_of_one_file_are_told_together(daemon: Serving, place: Path) -> None:
    text = JOB.replace("epochs: 1", "epochs: 0\n  epoch: 3").replace("lr: 1e-3", "lr: 1, lr: -1")
    text = text.replace("name: first\n", "name: first\nname: Not A Name\nsweep: 3\n")

    assert await submit(daemon, place, text.replace("mean:", "means: [1], mean:")) == (
        2,
        "job.yaml:2:1: name: is given twice; first in line 1\n"
        "job.yaml:2:1: name: `Not A Name` is not a name: 1 to 63 of a-z, 0-9 and -, beginning and "
        "ending with a letter or digit\n"
        "job.yaml:3:1: sweep: `sweep` is not built in this version; leave it out\n"
        "job.yaml:6:38: data.preprocess.means: unknown key `means`; did you mean `mean`?\n"
        "job.yaml:10:3: train.epochs: should be greater than or equal to 1, not 0\n"
        "job.yaml:11:3: train.epoch: unknown key `epoch`; did you mean `epochs`?\n"
        "job.yaml:14:28: train.optimizer.sgd.lr: is given twice; first in line 14\n"
        "job.yaml:14:28: train.optimizer.sgd.lr: should be greater than 0, not -1\n"
        "ftctl: 8 faults; nothing was submitted",
    )


@pytest.mark.parametrize(
    ("good", "bad", "said"),
    [
        pytest.param(
            "path: photos", "path: alone",
            "job.yaml:3:3: data.folder.train: alone/train has class `circles` alone; "
            "to tell apart takes two classes",
            id="one-class-only",
        ),
        pytest.param(
            "path: photos", "path: lacking",
            "job.yaml:3:3: data.folder.val: lacks class `squares`, which `train` has; "
            "every class needs images to validate on",
            id="a-class-that-val-lacks",
        ),
        pytest.param(
            "path: photos", "path: strange",
            "job.yaml:3:3: data.folder.val: has class `xylophones`, which `train` lacks; "
            "`train` has classes `circles`, `squares`",
            id="a-class-that-only-val-has",
        ),
        pytest.param(
            "path: photos", "path: photos, val: vall",
            "job.yaml:3:26: data.folder.val: photos has no folder `vall`; did you mean `val`?",
            id="a-mistyped-subfolder",
        ),
        pytest.param(
            "batch_size: 4", "batch_size: 9",
            "job.yaml:9:3: train.batch_size: is 9, but there are 8 images to train on; "
            "use at most 8",
            id="a-batch-larger-than-the-set",
        ),
        pytest.param(
            "name: mobilenet_v2", "name: mobilnet-V2",
            "job.yaml:6:3: model.name: unknown net `mobilnet-V2`; did you mean `mobilenet_v2`?",
            id="a-mistyped-net",
        ),
        pytest.param(
            "name: mobilenet_v2", WEIGHTS + "imagenet1k_v1",
            "job.yaml:7:3: model.weights: `imagenet1k_v1` is unknown for mobilenet_v2; known: "
            "none, IMAGENET1K_V1, IMAGENET1K_V2, file:PATH, job:NAME/best. "
            "Did you mean `IMAGENET1K_V1`?",
            id="mistyped-weights",
        ),
        pytest.param(
            TRAINS, "trains: hed",
            "job.yaml:10:3: train.trains[0]: `hed` matches no parameter of mobilenet_v2; "
            "did you mean `head`?",
            id="a-mistyped-selector",
        ),
        pytest.param(
            TRAINS, "trains: ['block:featurs[-1:]']",
            "job.yaml:10:12: train.trains[0]: mobilenet_v2 has no `featurs`; "
            "did you mean `features`?",
            id="a-mistyped-block",
        ),
        pytest.param(
            TRAINS, "trains: ['blok:features[-1:]']",
            "job.yaml:10:12: train.trains[0]: unknown kind of selector `blok:`; "
            "did you mean `block:features[-1:]`?",
            id="a-mistyped-kind-of-selector",
        ),
    ],
)  # fmt: skip
async def test_a_fault_that_the_data_or_the_net_shows_is_told_before_a_device_is_used(
    daemon: Serving, place: Path, good: str, bad: str, said: str
) -> None:
    ending = "ftctl: first ended before it used a device: The plan found 1 fault in the recipe."

    told = await submit(daemon, place, JOB.replace(good, bad))

    assert told == (2, f"{said}\n{ending}{RETRY}")


async def test_many_faults_of_one_plan_are_told_together(daemon: Serving, place: Path) -> None:
    text = JOB.replace("path: photos", "path: misspelt").replace("trains: head", "trains: hed")

    assert await submit(daemon, place, text) == (
        2,
        "job.yaml:3:3: data.folder.val: has class `sqaures`, which `train` lacks; "
        "`train` has classes `circles`, `squares`. Rename `sqaures` to `squares`?\n"
        "job.yaml:3:3: data.folder.val: lacks class `squares`, which `train` has; "
        "every class needs images to validate on\n"
        "job.yaml:10:3: train.trains[0]: `hed` matches no parameter of mobilenet_v2; "
        "did you mean `head`?\n"
        "ftctl: first ended before it used a device: The plan found 3 faults in the recipe."
        + RETRY,
    )


async def test_mistyped_names_of_jobs_files_and_devices_are_answered_with_the_nearest(
    daemon: Serving, place: Path
) -> None:
    mistaken = JOB.replace("name: first", "name: ants-bees").replace("epochs: 1", "epochs: 0")
    assert (await submit(daemon, place, mistaken))[0] == 2
    mistaken = mistaken.replace("epochs: 0", "epochs: 1").replace(TRAINS, "trains: hed")
    await submit(daemon, place, mistaken)

    for line, said in (
        (("get", "ants-bes"), "no job has the name or id `ants-bes`; did you mean `ants-bees`?"),
        (("logs", "ANTS-BEES"), "no job has the name or id `ANTS-BEES`; did you mean `ants-bees`?"),
        (("submit", place / "jobs.yml"),
         f"there is no file {place}/jobs.yml; did you mean {place}/job.yaml?"),
        (("devices", "drain", "cpu1"), "no device has the id `cpu1`; did you mean `cpu`?"),
        (("devices", "drain", "0000"), "no device has the id `0000`; this machine has cpu"),
    ):  # fmt: skip
        assert await daemon.ftctl(*line) == (2, "", f"ftctl: {said}\n")


async def test_an_id_that_is_short_of_one_job_is_answered_with_all_that_it_could_be(
    daemon: Serving, place: Path
) -> None:
    first = await daemon.client.submit(digits("held", not_before="2100-01-01T00:00:00Z"))
    # Neither planned nor run: they wait for one that waits.
    waiting = digits("", after=["held"])
    waiting["model"] = {**waiting["model"], "weights": "job:held/best"}
    seen = {first.id[:4]: first}
    for number in range(MOST_TRIES):
        job = await daemon.client.submit({**waiting, "name": f"waits-{number}"})
        before = seen.setdefault(job.id[:4], job)
        if before is not job:
            break

    assert await daemon.ftctl("get", job.id[:4]) == (
        2, "", f"ftctl: `{job.id[:4]}` begins the ids of 2 jobs: {job.id} ({job.name}), "
        f"{before.id} ({before.name}); say more of it\n",
    )  # fmt: skip
    await daemon.client.cancel("held")


async def test_another_user_s_socket_is_no_way_in(daemon: Serving) -> None:
    with _closed_to_us(daemon.socket):
        told = await run("-c", AS_NOBODY, "list", daemon=daemon)

    assert told == (
        3,
        "",
        f"ftctl: the daemon at {daemon.socket} is another user's, and its socket for that user "
        "alone; ask for a token and reach it with --server, or start one of your own with "
        "`ftd serve`\n",
    )


async def run(*arguments: str, daemon: Serving) -> tuple[int | None, str, str]:
    """Run Python where `ftctl` finds a daemon; return its exit code and what it printed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, env=daemon.environment(),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


@contextlib.contextmanager
def _closed_to_us(path: Path) -> Iterator[None]:
    """Make a socket one that this user may not open, where this user is not root."""
    if os.getuid():
        path.chmod(0)
    yield
    path.chmod(0o600)


async def test_a_version_that_is_one_minor_apart_is_told_and_nothing_refused(
    daemon: Serving,
) -> None:
    ours = release.version()
    theirs = ".".join(["0", str(int(ours.split(".")[1]) + 1), "0"])

    code, said, _ = await run("-c", AS_ANOTHER_VERSION, theirs, "version", daemon=daemon)
    assert (code, said) == (
        0,
        f"client  {theirs}\napi     finetuned.v1\ndaemon  {ours}, answers at {daemon.socket}\n"
        "        another version than the client's: what only one of them knows is refused\n",
    )

    code, said, _ = await run("-c", AS_ANOTHER_VERSION, theirs, "doctor", daemon=daemon)
    told = " ".join(said.split())
    assert f"versions: client {theirs}, daemon {ours}, API finetuned.v1" in told
    assert (
        "what only one of them knows is refused; install the same version on both sides, then "
        "restart `ftd serve`" in told
    )
    assert (await run("-c", AS_ANOTHER_VERSION, theirs, "list", daemon=daemon))[0] == 0


async def test_a_daemon_that_does_not_know_a_request_is_called_older(
    daemon: Serving, tmp_path: Path
) -> None:
    socket = tmp_path / "old.sock"
    server = grpc.aio.server()
    server.add_insecure_port(f"unix:{socket}")
    await server.start()
    try:
        told = await daemon.ftctl("--socket", socket, "list")
    finally:
        await server.stop(None)

    assert told == (
        3,
        "",
        f"ftctl: the daemon at {socket} does not know this request: it is older than ftctl "
        f"{release.version()}; install the same version on both sides, then restart `ftd serve`\n",
    )


async def test_the_socket_of_a_killed_daemon_is_told_from_a_missing_one_and_taken_over(
    daemon: Serving, tmp_path: Path
) -> None:
    async with daemons.running(tmp_path / "state") as killed:
        killed.process.send_signal(signal.SIGKILL)
        await killed.process.wait()

        assert killed.socket.is_socket()
        assert await daemon.ftctl("--socket", killed.socket, "list") == (
            3,
            "",
            f"ftctl: no daemon answers at {killed.socket} (the daemon that made it has ended); "
            "start one with `ftd serve`, or name its socket with --socket or FTCTL_SOCKET\n",
        )
