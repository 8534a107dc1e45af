"""Weights in the shape of torchvision's own files are found by name, checked and loaded."""

import hashlib
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torchvision

from fttrain.models import build, fit, known, weights
from fttrain.models.known import Published
from fttrain.spec.images import Preprocess
from fttrain.spec.network import Model

SMALL = (
    "convnext_tiny", "densenet121", "efficientnet_b0", "googlenet", "inception_v3", "maxvit_t",
    "mnasnet0_5", "mobilenet_v2", "mobilenet_v3_small", "regnet_y_400mf", "resnet18",
    "shufflenet_v2_x0_5", "squeezenet1_1", "swin_t", "swin_v2_t",
)  # fmt: skip
LARGE = ("alexnet", "vgg11", "vit_b_32")


def old_name(name: str) -> str:
    """Name a tensor as torchvision's files do, which are older than its code."""
    name = re.sub(r"(denselayer\d+\.(?:norm|relu|conv))([12])\.", r"\1.\2.", name)
    name = re.sub(r"(encoder_layer_\d+\.mlp)\.0\.", r"\1.linear_1.", name)
    return re.sub(r"(encoder_layer_\d+\.mlp)\.3\.", r"\1.linear_2.", name)


def loads(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = Model(name=name, weights="IMAGENET1K_V1")
    (theirs,) = (one for one in known.published(name) if one.member == "IMAGENET1K_V1")
    state = build.fresh(model, classes=1000, channels=3, seed=0).module.state_dict()
    path = tmp_path / theirs.file
    torch.save({old_name(n): t for n, t in state.items()}, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()

    # This file stands for theirs: its digest is the expected one.
    def published(net: str) -> list[Published]:
        return [replace(theirs, sha256_begin=digest[:8])] if net == name else []

    monkeypatch.setattr(known, "published", published)
    found = weights.read(model, {}, cache=tmp_path)

    assert found is not None
    assert found.lineage is not None
    assert found.lineage.preprocess == theirs.preprocess
    bare = build.skeleton(model, classes=3, channels=3, tensors=found.tensors)
    fitting = fit.compare(bare, found.tensors, keep_head=False, source=model.weights)
    kept = {n: found.tensors[n] for n in fitting.loaded}
    net = build.loaded(model, classes=3, channels=3, tensors=kept, seed=0).module.state_dict()
    assert all(torch.equal(net[n], state[n]) for n in fitting.loaded)
    heads = {bare.head, *(aside.last for aside in bare.asides)}
    assert {n.rpartition(".")[0] for n in fitting.new} == heads


@pytest.mark.parametrize("name", SMALL)
def test_a_file_in_the_shape_of_the_enum_is_loaded(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads(name, tmp_path, monkeypatch)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", LARGE)
def test_a_large_file_in_the_shape_of_the_enum_is_loaded(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads(name, tmp_path, monkeypatch)


# --- preprocessing ----------------------------------------------------------------------------

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
HALVES = ("googlenet", "inception_v3")


def test_every_published_preprocessing_is_that_of_torchvision() -> None:
    count = 0
    for name in torchvision.models.list_models(module=torchvision.models):
        members = torchvision.models.get_model_weights(name)
        for one in known.published(name):
            view = members[one.member].transforms()
            assert ([one.preprocess.resize], [one.preprocess.crop]) == (
                view.resize_size,
                view.crop_size,
            )
            assert one.preprocess.interpolation == view.interpolation.value
            if name not in HALVES:
                assert one.preprocess.mean == list(view.mean)
                assert one.preprocess.std == list(view.std)
            count += 1
    print(f"{count} published weights")
    assert count >= 110


def test_some_preprocessing_differs_from_the_usual() -> None:
    found = {(name, one.member): one.preprocess for name in (
        "inception_v3", "vit_h_14", "efficientnet_v2_l", "resnet50"
    ) for one in known.published(name)}  # fmt: skip
    halves = [0.5] * 3
    assert found["inception_v3", "IMAGENET1K_V1"] == Preprocess(
        resize=342, crop=299, mean=halves, std=halves
    )
    assert found["vit_h_14", "IMAGENET1K_SWAG_E2E_V1"] == Preprocess(
        resize=518, crop=518, interpolation="bicubic", mean=MEAN, std=STD
    )
    assert found["efficientnet_v2_l", "IMAGENET1K_V1"] == Preprocess(
        resize=480, crop=480, interpolation="bicubic", mean=halves, std=halves
    )
    assert found["resnet50", "IMAGENET1K_V2"].resize == 232


def test_features_without_classes_are_no_weights_of_a_classifier() -> None:
    assert [one.member for one in known.published("vgg16")] == ["IMAGENET1K_V1"]


def test_values_from_minus_one_to_one_are_what_torchvision_turns_its_input_into() -> None:
    theirs = torchvision.models.googlenet(num_classes=2, init_weights=False, transform_input=True)
    pixels = torch.rand(2, 3, 8, 8)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (MEAN, STD))
    seen = theirs._transform_input((pixels - mean) / std)
    assert torch.allclose(seen, (pixels - 0.5) / 0.5, atol=1e-6)


def test_a_vision_transformer_takes_the_size_of_its_weights() -> None:
    large = {"encoder.pos_embedding": torch.zeros(1, 12 * 12 + 1, 768)}
    net = build.skeleton(Model(name="vit_b_32"), classes=3, channels=3, tensors=large)
    assert net.side == 384
    assert tuple(net.module.get_parameter("encoder.pos_embedding").shape) == (1, 145, 768)
