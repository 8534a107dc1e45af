"""The plan says where changing images takes a large share of a run."""

from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision

from fttrain import plan
from fttrain.data.augment import costs
from fttrain.models import build, work
from fttrain.spec.augmentation import Augmentation
from fttrain.spec.network import Model
from fttrain.spec.plan import Means
from tests import engine
from tests.augmented import PLAIN, stated
from tests.photos import make_photo_folder
from tests.unit.trainer.test_augment_exact import EVERY

JITTER = stated("color_jitter", brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1)


def told(augment: list[Augmentation], *, gflops: float, **where: Any) -> list[str]:
    means = {"device": "cpu", "loaders": 1, "side": 224, **where}
    return list(costs.notices(augment, PLAIN, flops=gflops * 1e9, **means))


def test_what_takes_a_large_share_is_told_with_the_costliest_first() -> None:
    assert told([stated("horizontal_flip"), JITTER], gflops=0.6) == [
        "changing an image takes about 2 ms of a core (color_jitter 2, horizontal_flip 0.025), "
        "training on it about 6 ms of a core: fewer or cheaper changes make the run faster"
    ]


def test_a_small_share_is_not_worth_a_word() -> None:
    assert told([JITTER], gflops=1.8) == []
    assert told([stated("horizontal_flip")], gflops=0.6) == []
    assert told([], gflops=0) == []


def test_what_comes_seldom_costs_little() -> None:
    seldom = stated("color_jitter", hue=0.1, p=0.1)

    assert costs.per_image(seldom, 224) == pytest.approx(0.141)
    assert costs.per_image(seldom, 112) == pytest.approx(0.141 / 4)


def test_an_accelerator_is_compared_with_its_loaders() -> None:
    assert told([JITTER], gflops=12, device="cuda", loaders=1) == [
        "changing an image takes about 2 ms of a core (color_jitter 2), training on it about "
        "1.2 ms of the accelerator, which 1 loader process serves: the accelerator will wait; "
        "state more data.workers, or fewer or cheaper changes"
    ]
    assert told([JITTER], gflops=12, device="cuda", loaders=2) == []


def test_every_change_has_a_cost() -> None:
    costing = [
        Augmentation.model_validate(each if isinstance(each, dict) else {each: {}})
        for each in EVERY
    ]

    assert all(costs.per_image(choice, 224) > 0 for choice in costing)


def test_work_is_counted_as_torchvision_states_it() -> None:
    model = Model.model_validate({"name": "resnet18", "weights": "none"})
    net = build.skeleton(model, classes=1000, channels=3)
    gmacs = torchvision.models.ResNet18_Weights.IMAGENET1K_V1.meta["_ops"]

    forward = 2e9 * gmacs

    assert work.per_image(net, (3, 224, 224), prefix=0) == pytest.approx(3 * forward, rel=0.01)
    assert work.per_image(net, (3, 224, 224), prefix=len(net.blocks)) == pytest.approx(
        forward, rel=0.01
    )
    assert torch.is_grad_enabled()


def test_the_plan_has_the_notice(tmp_path: Path) -> None:
    root = make_photo_folder(tmp_path / "photos", per_class=4)
    data = {
        "folder": {"path": str(root)},
        "preprocess": engine.FRAMED,
        "augment": [{"aug_mix": {}}],
    }
    chosen = engine.parsed(data, {"cnn": {"channels": [4]}}, {})

    made = plan.make(chosen, references={}, means=Means(cpus=1))

    (notice,) = (each for each in made.notices if each.startswith("changing an image"))
    assert "(aug_mix 0.068)" in notice
