"""Nets of timm are built, taken apart in two, loaded from files and trained."""

import sys
from functools import reduce
from pathlib import Path

import pytest
import safetensors.torch
import timm
import torch

from fttrain import generator
from fttrain.models import build, frozen, select, weights
from fttrain.models.tensors import BadWeights
from fttrain.models.zoo import Net
from fttrain.spec.faults import RecipeFaults
from fttrain.spec.images import Preprocess
from fttrain.spec.network import Model
from tests import engine
from tests.photos import make_photo_folder

NAMES = ("timm/resnet10t", "timm/test_vit", "timm/convnext_atto", "timm/mobilenetv4_conv_small")


def fresh(name: str, *, seed: int = 0) -> Net:
    return build.fresh(Model(name=name), classes=3, channels=3, seed=seed)


@pytest.mark.parametrize("name", NAMES)
def test_trunk_and_head_fold_to_the_net_and_hold_every_parameter(name: str) -> None:
    net = fresh(name)
    side = net.side or 64
    images = torch.rand(2, 3, side, side)
    held = [n for block in net.blocks for part in block.parts for n in net.names([part])]

    assert sorted(held) == sorted(n for n, _ in net.module.named_parameters())
    assert frozen.prefix(net, select.union(net, ["head"], "train.trains")) == 1
    for mode in (True, False):
        net.module.train(mode)
        generator.reseed(5)
        whole = net.module(images)
        generator.reseed(5)
        assert torch.equal(whole, reduce(lambda x, block: block.run(x), net.blocks, images))


@pytest.mark.word("model.name")
def test_a_net_of_timm_is_what_timm_builds_after_the_same_seed() -> None:
    generator.reseed(generator.derive(4, "init"))
    theirs = timm.create_model("resnet10t", num_classes=3).state_dict()
    ours = fresh("timm/resnet10t", seed=4).module.state_dict()
    assert all(torch.equal(ours[name], value) for name, value in theirs.items())


@pytest.mark.parametrize("suffix", ["safetensors", "pt"])
def test_a_net_of_timm_trains_from_a_local_file(tmp_path: Path, suffix: str) -> None:
    root, file = make_photo_folder(tmp_path / "photos"), tmp_path / f"weights.{suffix}"
    state = timm.create_model("resnet10t", num_classes=5).state_dict()
    safetensors.torch.save_file(state, file) if suffix != "pt" else torch.save(state, file)
    model = {"name": "timm/resnet10t", "weights": f"file:{file}", "head": [{"linear": 4}, "relu"]}
    recipe = engine.photos(root, model, trains="head", epochs=1)

    plan = engine.planned(recipe)
    engine.trained(tmp_path / "run", recipe, plan)

    assert plan.prefix == ["features"]
    assert plan.weights.tensors_new == ["fc.0.weight", "fc.0.bias", "fc.2.weight", "fc.2.bias"]
    assert plan.weights.tensors_loaded == len(state) - 2


def test_images_are_prepared_as_timm_says(tmp_path: Path) -> None:
    root = make_photo_folder(tmp_path / "photos")
    data = {"folder": {"path": str(root)}}
    plan = engine.planned(engine.parsed(data, {"name": "timm/resnet10t"}, {"batch_size": 2}))
    assert plan.preprocess.origin == "timm/resnet10t"
    assert plan.preprocess.steps == Preprocess(
        resize=201,
        crop=176,
        interpolation="bicubic",
        mean=[0.485, 0.456, 0.406],
        std=[0.229, 0.224, 0.225],
    )


def fault(model: Model, tmp_path: Path) -> str:
    def no_network(url: str, path: Path, *, sha256_begin: str) -> None:
        raise BadWeights(f"{url} cannot be downloaded: no network")

    with pytest.raises(RecipeFaults) as caught:
        weights.read(model, {}, cache=tmp_path, fetch=no_network)
    return str(caught.value).replace(str(tmp_path), "CACHE")


def test_published_weights_are_kept_where_torchs_are(tmp_path: Path) -> None:
    model = Model(name="timm/resnet10t.c3_in1k", weights="timm")
    assert fault(model, tmp_path) == (
        "model.weights: https://huggingface.co/timm/resnet10t.c3_in1k/resolve/main/"
        "model.safetensors cannot be downloaded: no network; download it elsewhere and put it at "
        "CACHE/timm-resnet10t.c3_in1k.safetensors, or name it as `file:PATH`"
    )
    state = timm.create_model("resnet10t").state_dict()
    safetensors.torch.save_file(state, tmp_path / "timm-resnet10t.c3_in1k.safetensors")
    found = weights.read(model, {}, cache=tmp_path)
    assert found is not None
    assert found.tensors.keys() == state.keys()


def test_faults_of_names_and_weights_say_what_would_be_right(tmp_path: Path) -> None:
    assert fault(Model(name="resnet18", weights="timm"), tmp_path) == (
        "model.weights: `timm` stands for weights of nets of timm; the net is none"
    )
    assert fault(Model(name="timm/resnet10t", weights="IMAGENET1K_V1"), tmp_path) == (
        "model.weights: `IMAGENET1K_V1` is unknown for timm/resnet10t; known: none, timm, "
        "file:PATH, job:NAME/best"
    )
    with pytest.raises(RecipeFaults, match=r"has no net `resnet10x`; did you mean `timm/resnet"):
        fresh("timm/resnet10x")
    with pytest.raises(RecipeFaults, match="deit_tiny_distilled_patch16_224 has no single head"):
        fresh("timm/deit_tiny_distilled_patch16_224")


def test_without_timm_the_command_that_brings_it_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(RecipeFaults) as caught:
        fresh("timm/resnet10t")
    assert str(caught.value) == (
        "model.name: `timm/resnet10t` needs timm, which is not installed: "
        "pip install 'finetuned[timm]'"
    )


def test_tables_that_no_file_holds_are_there_after_loading() -> None:
    model = Model(name="timm/swin_tiny_patch4_window7_224")
    whole = build.fresh(model, classes=3, channels=3, seed=0)
    state = whole.module.state_dict()
    net = build.loaded(model, classes=3, channels=3, tensors=state, seed=1)
    made = dict(whole.module.named_buffers())
    assert all(torch.equal(value, made[name]) for name, value in net.module.named_buffers())
