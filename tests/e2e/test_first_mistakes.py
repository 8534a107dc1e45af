"""What goes wrong first is answered with its place and remedy, and the daemon is unharmed."""

import asyncio
import os
import sys
from pathlib import Path

import pytest
import torch

from tests.e2e.serving import Serving
from tests.photos import make_photo_folder

pytestmark = pytest.mark.asyncio(loop_scope="module")

JOB = """\
name: first
data:
  folder: {path: photos}
  preprocess: {resize: 32, crop: 32, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5]}
model:
  name: mobilenet_v2
train:
  epochs: 1
  batch_size: 4
  trains: head
  optimizer: {sgd: {lr: 1e-3}}
"""
WEIGHTS = "name: mobilenet_v2\n  weights: "


class Malice:
    """What a pickle could run."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, ...]:
        return (os.mkdir, (str(self.trace),))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with photos, photos without one class, and weights that nobody should load."""
    place = tmp_path_factory.mktemp("mistakes")
    make_photo_folder(place / "photos")
    make_photo_folder(place / "hollow")
    for photo in (place / "hollow/train/squares").iterdir():
        photo.unlink()
    torch.save(Malice(place / "harm"), place / "malice.pth")
    torch.save({"conv1.weight": torch.ones(1)}, place / "other.pth")
    return place


async def submit(daemon: Serving, place: Path, text: str) -> tuple[int, str]:
    """Submit a job file; return the exit code and what was said, its folder left out."""
    file = place / "job.yaml"
    await asyncio.to_thread(file.write_text, text)
    code, out, err = await daemon.ftctl("submit", file)
    said = [line for line in (out + err).splitlines() if not line.startswith("submitted first")]
    return code, "\n".join(said).replace(f"{place}/", "")


@pytest.mark.parametrize(
    ("good", "bad", "said"),
    [
        pytest.param(
            "epochs: 1", "epochs: [1",
            "ftctl: job.yaml:9:13: the `[` opened in line 8, column 11 is not closed properly",
            id="yaml-that-does-not-parse",
        ),
        pytest.param(
            "batch_size", "batchsize",
            "job.yaml:7:1: train.batch_size: is missing\n"
            "job.yaml:9:3: train.batchsize: unknown key `batchsize`; did you mean `batch_size`?\n"
            "ftctl: 2 faults; nothing was submitted",
            id="unknown-key",
        ),
        pytest.param(
            "batch_size: 4", "batch_size: four",
            "job.yaml:9:3: train.batch_size: should be a valid integer, not 'four'\n"
            "ftctl: 1 fault; nothing was submitted",
            id="wrong-type",
        ),
        pytest.param(
            "lr: 1e-3}}\n", "lr: -1}}\n  stages: []\nqueue: 3\n",
            "job.yaml:11:21: train.optimizer.sgd.lr: should be greater than 0, not -1\n"
            "job.yaml:12:3: train.stages: needs at least 1 entry, not 0\n"
            "job.yaml:13:1: queue: `queue` is not built in this version; leave it out\n"
            "ftctl: 3 faults; nothing was submitted",
            id="several-at-once",
        ),
        pytest.param(
            "batch_size: 4\n", "batch_size: 4\n  stages: [{epochs: 1}, {epochs: 2}]\n",
            "job.yaml:8:3: train.epochs: belongs to the stages: say train.stages[i].epochs, with i "
            "from 0 to 1; together they are the epochs of the run\n"
            "ftctl: 1 fault; nothing was submitted",
            id="epochs-beside-stages",
        ),
        pytest.param(
            "epochs: 1\n", "stages: [{epochs: 1, epoch: 2}, {epochs: 1, optimizer_state: kept}]\n",
            "job.yaml:8:24: train.stages[0].epoch: unknown key `epoch`; did you mean `epochs`?\n"
            "job.yaml:8:47: train.stages[1].optimizer_state: 'kept' is unknown; did you mean "
            "`keep`?\n"
            "ftctl: 2 faults; nothing was submitted",
            id="mistyped-in-stages",
        ),
        pytest.param(
            "name: first\n", "name: first\nname: second\n",
            "job.yaml:2:1: name: is given twice; first in line 1\n"
            "ftctl: 1 fault; nothing was submitted",
            id="a-key-given-twice",
        ),
        pytest.param(
            "name: first\n", "name: first\n#" + "x" * 2**20 + "\n",
            "ftctl: job.yaml has 1,048,812 bytes; a job file has at most 1 MiB. "
            "Data belongs in files that it names",
            id="over-1-MiB",
        ),
    ],
)  # fmt: skip
async def test_a_fault_of_the_file_is_told_and_nothing_is_submitted(
    daemon: Serving, place: Path, good: str, bad: str, said: str
) -> None:
    assert await submit(daemon, place, JOB.replace(good, bad)) == (2, said)


@pytest.mark.parametrize(
    ("good", "bad", "said"),
    [
        pytest.param(
            "path: photos", "path: nowhere",
            "job.yaml:3:12: data.folder.path: nowhere does not exist on this machine",
            id="missing-folder",
        ),
        pytest.param(
            "path: photos", "path: hollow",
            "job.yaml:3:3: data.folder.train: hollow/train: class `squares` has no images; "
            "put some in or remove the folder",
            id="empty-class",
        ),
        pytest.param(
            "name: mobilenet_v2", WEIGHTS + "file:other.pth",
            "job.yaml:7:3: model.weights: `file:other.pth` does not fit mobilenet_v2: "
            "0 tensors match; 260 missing, such as features.0.0.weight and "
            "features.0.1.weight; 1 unexpected, such as conv1.weight (the head apart)",
            id="weights-that-do-not-fit",
        ),
        pytest.param(
            "name: mobilenet_v2", WEIGHTS + "file:malice.pth",
            "job.yaml:7:3: model.weights: malice.pth is a pickle with code in it (posix.mkdir) "
            "and was not run; save the weights alone, with torch.save(model.state_dict(), PATH), "
            "or as safetensors",
            id="a-pickle-with-code",
        ),
        pytest.param(
            "trains: head", "trains: haed",
            "job.yaml:10:3: train.trains[0]: `haed` matches no parameter of mobilenet_v2; "
            "did you mean `head`?",
            id="a-selector-that-matches-nothing",
        ),
        pytest.param(
            "mobilenet_v2", "mobilnet_v2",
            "job.yaml:6:3: model.name: unknown net `mobilnet_v2`; did you mean `mobilenet_v2`?",
            id="unknown-model",
        ),
    ],
)  # fmt: skip
async def test_a_fault_of_the_plan_ends_the_job_before_it_uses_a_device(
    daemon: Serving, place: Path, good: str, bad: str, said: str
) -> None:
    code, told = await submit(daemon, place, JOB.replace(good, bad))

    ending = (
        "\nftctl: first ended before it used a device: The plan found 1 fault in the recipe.\n"
        "Mend the job file and submit it again."
    )
    assert (code, told) == (2, said + ending)
    assert not (place / "harm").exists()
    job = await daemon.client.get("first")
    assert (job.attempt, job.run_dir) == (0, "")


async def test_an_unknown_job_is_answered_with_the_nearest(daemon: Serving, place: Path) -> None:
    await submit(daemon, place, JOB.replace("head", "haed"))

    assert await daemon.ftctl("get", "frist") == (
        2, "", "ftctl: no job has the name or id `frist`; did you mean `first`?\n",
    )  # fmt: skip
    assert await daemon.ftctl("cancel", "nothing-like-it") == (
        2, "", "ftctl: no job has the name or id `nothing-like-it`; "
        "`ftctl list` shows the names and ids of all\n",
    )  # fmt: skip


async def test_a_second_daemon_on_one_state_directory_says_who_holds_it(
    daemon: Serving, tmp_path: Path
) -> None:
    second = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ftd", "serve"),
        *("--state", str(daemon.state), "--socket", str(tmp_path / "ftd.sock")),
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await second.communicate()

    assert second.returncode == 2
    assert said.decode().startswith(
        f"ftd: the state directory {daemon.state} is held by ftd with pid {daemon.process.pid} "
    )
    assert said.decode().endswith("; stop it, or give this one another with --state\n")


async def test_without_a_daemon_the_way_to_start_one_is_named(
    daemon: Serving, tmp_path: Path
) -> None:
    nobody = tmp_path / "ftd.sock"

    code, _, err = await daemon.ftctl("--socket", nobody, "list")

    assert code == 3
    assert err == (
        f"ftctl: no daemon answers at {nobody} (there is no such socket); start one with "
        "`ftd serve`, or name its socket with --socket or FTCTL_SOCKET\n"
    )


async def test_after_all_this_the_daemon_trains(daemon: Serving, place: Path) -> None:
    good = JOB.replace("name: mobilenet_v2", "cnn: {channels: [4]}")
    code, _ = await submit(daemon, place, good)

    assert code == 0
    (await daemon.client.wait("first")).check()
