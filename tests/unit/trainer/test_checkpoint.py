"""A checkpoint holds all that training changes, and nothing that it does not."""

import hashlib
from pathlib import Path

import pytest
import torch
import torchvision

from fttrain.events import CheckpointSaved, EpochEnded
from fttrain.models import tensors
from fttrain.models.tensors import BadWeights
from fttrain.spec import rundir
from fttrain.spec.recipe import Recipe
from fttrain.state import checkpoint
from tests import engine
from tests.photos import make_photo_folder


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return make_photo_folder(tmp_path / "photos")


@pytest.fixture
def base(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    path = tmp_path / "base.pt"
    torch.save(torchvision.models.resnet18(num_classes=5).state_dict(), path)
    return path


@pytest.fixture
def frozen(photos: Path, base: Path) -> Recipe:
    model = {"name": "resnet18", "weights": f"file:{base}"}
    return engine.photos(photos, model, epochs=1, trains=["head", "layer4.1.bn2.*"])


def test_each_epoch_leaves_its_last_and_its_best(tmp_path: Path, photos: Path) -> None:
    run = tmp_path / "run"
    records = engine.trained(run, engine.photos(photos, epochs=3))

    saved = [record for record in records if isinstance(record, CheckpointSaved)]
    ended = [record for record in records if isinstance(record, EpochEnded)]
    assert [s.epoch for s in saved if s.which == "last"] == [1, 2, 3]
    assert [s.epoch for s in saved if s.which == "best"] == [e.epoch for e in ended if e.best]
    for which in ("last", "best"):
        newest = [s for s in saved if s.which == which][-1]
        file = run / newest.path
        assert hashlib.sha256(file.read_bytes()).hexdigest() == newest.sha256
        _, card = checkpoint.read(file)
        assert (card.epoch, card.step) == (newest.epoch, newest.step)
        assert card.best == max((e.val for e in ended), key=lambda val: val.accuracy)
    assert not list((run / "checkpoints").glob(".*"))


def test_a_checkpoint_leaves_out_what_the_file_of_weights_has(
    tmp_path: Path, frozen: Recipe, base: Path
) -> None:
    engine.trained(tmp_path / "run", frozen)
    path = tmp_path / "run" / rundir.BEST
    contents = tensors.read(path)

    assert set(checkpoint.changed(contents)) == {
        "fc.weight", "fc.bias", "layer4.1.bn2.weight", "layer4.1.bn2.bias",
        "layer4.1.bn2.running_mean", "layer4.1.bn2.running_var",
        "layer4.1.bn2.num_batches_tracked",
    }  # fmt: skip
    _, card = checkpoint.read(path)
    assert card.base is not None
    assert card.base.path == str(base)
    assert card.base.sha256 == hashlib.sha256(base.read_bytes()).hexdigest()


def test_a_checkpoint_is_read_back_as_the_whole_net(tmp_path: Path, frozen: Recipe) -> None:
    engine.trained(tmp_path / "run", frozen)
    whole, _ = checkpoint.read(tmp_path / "run" / rundir.BEST)
    exported = tensors.read(tmp_path / "run" / rundir.MODEL).tensors
    assert whole.keys() == exported.keys()
    assert all(torch.equal(whole[name], value) for name, value in exported.items())


def test_a_checkpoint_without_a_file_of_weights_holds_everything(
    tmp_path: Path, photos: Path
) -> None:
    recipe = engine.photos(photos, epochs=1, trains="head")
    engine.trained(tmp_path / "run", recipe)
    contents = tensors.read(tmp_path / "run" / rundir.LAST)
    whole, card = checkpoint.read(tmp_path / "run" / rundir.LAST)
    assert card.base is None
    assert set(checkpoint.changed(contents)) == set(whole)


def test_the_optimizers_state_is_kept_by_name(tmp_path: Path, photos: Path) -> None:
    adamw = {"adamw": {"lr": 0.01}}
    engine.trained(tmp_path / "run", engine.photos(photos, trains="head", optimizer=adamw))
    state = checkpoint.optimizer_state(tensors.read(tmp_path / "run" / rundir.LAST))
    assert set(state) == {
        f"head.{name}/{key}"
        for name in ("weight", "bias")
        for key in ("step", "exp_avg", "exp_avg_sq")
    }
    assert state["head.bias/step"].item() == 4


def test_a_base_that_changed_is_named(tmp_path: Path, frozen: Recipe, base: Path) -> None:
    engine.trained(tmp_path / "run", frozen)
    path = tmp_path / "run" / rundir.BEST
    torch.save(torchvision.models.resnet18(num_classes=5).state_dict(), base)
    with pytest.raises(BadWeights) as caught:
        checkpoint.read(path)
    assert f"{path} builds on {base}, which has changed since" in str(caught.value)

    base.unlink()
    with pytest.raises(BadWeights, match=r"base\.pt cannot be read: No such file or directory"):
        checkpoint.read(path)


def test_a_checkpoint_that_was_cut_short_is_refused(tmp_path: Path, photos: Path) -> None:
    engine.trained(tmp_path / "run", engine.photos(photos, epochs=1))
    path = tmp_path / "run" / rundir.BEST
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(BadWeights, match=r"best\.safetensors is no whole safetensors file"):
        checkpoint.read(path)


def test_a_model_is_no_checkpoint(tmp_path: Path, photos: Path) -> None:
    engine.trained(tmp_path / "run", engine.photos(photos, epochs=1))
    with pytest.raises(BadWeights, match=r"model\.safetensors is no checkpoint of this version"):
        checkpoint.read(tmp_path / "run" / rundir.MODEL)
