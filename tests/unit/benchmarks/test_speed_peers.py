"""What peers and the harness have in common: the nets, the tasks, the jobs."""

from pathlib import Path

import pytest
import torch

from benchmarks.peers import images, nets
from benchmarks.peers.task import Task
from benchmarks.speed.contests import CONTESTS, Alone, Loader, Ours
from fttrain.models import build
from fttrain.spec import faults, network


def task(**words: object) -> Task:
    return Task(**{"peer": "tutorial", "photos": "/photos", "epochs": 1, "batch": 4, **words})  # type: ignore[arg-type]


def test_the_small_net_has_the_parameters_of_ours_and_its_shapes() -> None:
    theirs = nets.SmallResNet(10)
    model = network.Model.model_validate({"rn": {"blocks": 16}})
    ours = build.fresh(model, classes=10, channels=3, seed=0).module

    shapes = [
        sorted(tuple(parameter.shape) for parameter in net.parameters()) for net in (theirs, ours)
    ]

    assert shapes[0] == shapes[1]
    assert sum(parameter.numel() for parameter in theirs.parameters()) == 213_882


@pytest.mark.parametrize(
    ("augment", "split", "names"),
    [
        ("none", "train", ["Resize", "CenterCrop"]),
        ("flip", "train", ["Resize", "CenterCrop", "RandomHorizontalFlip"]),
        ("flip", "val", ["Resize", "CenterCrop"]),
        ("crop", "train", ["RandomResizedCrop", "RandomHorizontalFlip"]),
        ("crop", "val", ["Resize", "CenterCrop"]),
        ("pad-and-flip", "train", ["RandomCrop", "RandomHorizontalFlip"]),
        ("pad-and-flip", "val", []),
    ],
)
def test_a_split_is_changed_as_the_task_says(augment: str, split: str, names: list[str]) -> None:
    assert [type(each).__name__ for each in images.changes(task(augment=augment), split)] == names


def test_a_task_is_written_and_read(tmp_path: Path) -> None:
    asked = task(augment="crop", workers=2, is_tuned=True)

    asked.write(tmp_path / "task.json")

    assert Task.read(tmp_path / "task.json") == asked


@pytest.mark.parametrize("name", CONTESTS)
def test_the_job_of_every_contest_is_a_recipe(name: str, tmp_path: Path) -> None:
    import json

    contest = CONTESTS[name]
    job = contest.work.job(tmp_path, seed=1)

    recipe = faults.parse(json.dumps(job))

    assert recipe.train.epochs == contest.work.epochs
    for turn in contest.turns.values():
        if isinstance(turn, Ours | Alone | Loader):
            assert turn.epochs >= 1


def test_the_frozen_net_of_a_peer_trains_its_head_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision import models

    made = models.mobilenet_v2(weights=None)
    monkeypatch.setattr(nets.models, "mobilenet_v2", lambda weights: made)

    net = nets.net(task(trains="head"), 2)

    trained = {name for name, each in net.named_parameters() if each.requires_grad}
    assert trained == {"classifier.1.weight", "classifier.1.bias"}
    assert net(torch.zeros(1, 3, 64, 64)).shape == (1, 2)
