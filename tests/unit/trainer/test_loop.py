"""The loop takes the very steps that a plain torch loop takes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F

from fttrain import assembly, loop
from fttrain.data import sources
from fttrain.data.order import batches, epoch_order
from fttrain.data.stream import Batch, Stream, Task
from fttrain.data.view import EvalView, normalise
from fttrain.loop import NonFiniteLoss, Step, Training
from fttrain.spec.plan import Plan
from fttrain.spec.recipe import Recipe
from tests import engine
from tests.photos import make_photo_folder

EPOCHS, BATCH, ACCUMULATE = 5, 4, 2
TRAIN: dict[str, Any] = {
    "epochs": EPOCHS,
    "batch_size": BATCH,
    "accumulate": ACCUMULATE,
    "clip_norm": 0.5,
    "trains": ["layer4.*", "head"],
    "groups": [
        {"select": "head"},
        {"select": "block:layer4", "lr": 0.004, "weight_decay": 0.01},
    ],
    "optimizer": {"sgd": {"lr": 0.01, "momentum": 0.9}},
    "schedule": {"step": {"every": 2, "gamma": 0.5}},
    "loss": {"cross_entropy": {"label_smoothing": 0.1}},
}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """26 photos: 7 batches an epoch, so 3 steps of two and one of a single, shorter batch."""
    return make_photo_folder(tmp_path_factory.mktemp("loop") / "photos", per_class=13)


@pytest.fixture(scope="module")
def resnet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of weights whose BatchNorm statistics are not what a new layer has."""
    torch.manual_seed(1)
    net = torchvision.models.resnet18()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.1, 0.1)
            module.running_var.uniform_(0.9, 1.1)
    path = tmp_path_factory.mktemp("weights") / "resnet.pt"
    torch.save(net.state_dict(), path)
    return path


@pytest.fixture(scope="module")
def recipe(photos: Path, resnet: Path) -> Recipe:
    return engine.photos(photos, {"name": "resnet18", "weights": f"file:{resnet}"}, **TRAIN)


@pytest.fixture(scope="module")
def plan(recipe: Recipe) -> Plan:
    return engine.planned(recipe)


def epoch_batches(recipe: Recipe, plan: Plan, epoch: int) -> Iterator[Batch]:
    source = sources.load(recipe.data)
    with Stream(source.train, EvalView(plan.preprocess.steps), 0) as stream:
        order = epoch_order(len(source.train), 0, epoch)
        yield from stream.run([Task(epoch, part) for part in batches(order, BATCH, True)])


def steps_of_the_loop(recipe: Recipe, plan: Plan, training: Training) -> list[Step]:
    steps: list[Step] = []
    for epoch in range(1, EPOCHS + 1):
        parts = epoch_batches(recipe, plan, epoch)
        steps += loop.train(training, parts, first_step=len(steps))
    return steps


def plain_loop(
    net: Any, recipe: Recipe, plan: Plan, *, chunk: int | None
) -> tuple[list[float], list[float]]:
    """Train as anyone would by hand; return losses and rates of the head, step by step.

    `chunk`: how many images the frozen part sees at once; None: those of the batch.
    """
    trunk = nn.Sequential(
        net.conv1, net.bn1, net.relu, net.maxpool, net.layer1, net.layer2, net.layer3
    ).eval()
    groups = [
        {"params": net.fc.parameters(), "lr": 0.01},
        {"params": net.layer4.parameters(), "lr": 0.004, "weight_decay": 0.01},
    ]
    optimizer = torch.optim.SGD(groups, lr=0.01, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.5)
    losses, rates = [], []
    net.layer4.train()
    for epoch in range(1, EPOCHS + 1):
        parts = list(epoch_batches(recipe, plan, epoch))
        features = list(trunk_outputs(trunk, parts, plan, chunk))
        for at in range(0, len(parts), ACCUMULATE):
            group = list(zip(features, parts, strict=True))[at : at + ACCUMULATE]
            images, loss_sum = sum(len(part.labels) for _, part in group), 0.0
            for x, part in group:
                logits = net.fc(net.avgpool(net.layer4(x)).flatten(1))
                loss = F.cross_entropy(logits, part.labels, label_smoothing=0.1)
                (loss * (len(part.labels) / images)).backward()
                loss_sum += loss.item() * len(part.labels)
            nn.utils.clip_grad_norm_([*net.fc.parameters(), *net.layer4.parameters()], 0.5)
            optimizer.step()
            optimizer.zero_grad()
            losses.append(loss_sum / images)
            rates.append(optimizer.param_groups[0]["lr"])
        scheduler.step()
    return losses, rates


@torch.no_grad()
def trunk_outputs(
    trunk: nn.Module, parts: list[Batch], plan: Plan, chunk: int | None
) -> Iterator[Tensor]:
    layout = torch.channels_last
    sizes = [len(part.labels) for part in parts]
    images = torch.cat([part.images for part in parts])
    pieces = list(images.split(chunk or sizes))
    if chunk is not None and len(pieces[-1]) < chunk:
        black = images.new_zeros((chunk - len(pieces[-1]), *images.shape[1:]))
        pieces[-1] = torch.cat([pieces[-1], black])
    prepared = [
        normalise(p.contiguous(memory_format=layout), plan.preprocess.steps) for p in pieces
    ]
    yield from torch.cat([trunk(x) for x in prepared])[: len(images)].split(sizes)


def by_hand(training: Training) -> Any:
    """Return the same net, made by torchvision alone."""
    net: Any = torchvision.models.resnet18(num_classes=2)
    net.load_state_dict(training.net.module.state_dict())
    return net.to(memory_format=torch.channels_last)


def test_twenty_steps_equal_a_plain_loop_bit_for_bit(recipe: Recipe, plan: Plan) -> None:
    training = assembly.training(recipe, plan)
    net = by_hand(training)
    before = {name: value.clone() for name, value in training.net.module.state_dict().items()}

    steps = steps_of_the_loop(recipe, plan, training)
    losses, rates = plain_loop(net, recipe, plan, chunk=plan.chunk)

    assert len(steps) == 20
    assert [step.loss for step in steps] == losses
    assert [step.lrs[0] for step in steps] == pytest.approx(rates, abs=1e-12)
    after = training.net.module.state_dict()
    for name, value in net.state_dict().items():
        assert torch.equal(after[name], value), name
    frozen = [name for name in before if not name.startswith(("layer4", "fc"))]
    assert all(torch.equal(after[name], before[name]) for name in frozen)
    assert any("running_mean" in name for name in frozen)
    assert not torch.equal(after["layer4.0.bn1.running_mean"], before["layer4.0.bn1.running_mean"])


def test_a_frozen_part_run_batch_by_batch_differs_by_rounding_alone(
    recipe: Recipe, plan: Plan
) -> None:
    training = assembly.training(recipe, plan)
    net = by_hand(training)

    steps = steps_of_the_loop(recipe, plan, training)
    losses, _ = plain_loop(net, recipe, plan, chunk=None)

    assert [step.loss for step in steps] == pytest.approx(losses, abs=1e-4)


def test_the_frozen_part_does_not_depend_on_how_batches_fall(recipe: Recipe, plan: Plan) -> None:
    training = assembly.training(recipe, plan)
    parts = list(epoch_batches(recipe, plan, 1))
    seen: list[Tensor] = []
    training.net.module.layer4[0].conv1.register_forward_pre_hook(
        lambda _, inputs: seen.append(inputs[0].detach().clone())
    )

    list(loop.train(training, parts, first_step=0))

    whole = torch.cat([part.images for part in parts])
    expected = torch.cat(list(trunk_outputs(prefix_of(training), parts, plan, plan.chunk)))
    assert [len(x) for x in seen] == [len(part.labels) for part in parts]
    assert torch.equal(torch.cat(seen), expected)
    assert len(expected) == len(whole)


def prefix_of(training: Training) -> nn.Module:
    blocks = training.net.blocks[: training.prefix]
    return nn.Sequential(*(module for block in blocks for module in block.modules)).eval()


def test_evaluation_counts_each_image_once_and_changes_nothing(recipe: Recipe, plan: Plan) -> None:
    training = assembly.training(recipe, plan)
    before = {name: value.clone() for name, value in training.net.module.state_dict().items()}
    parts = list(epoch_batches(recipe, plan, 1))

    tally = loop.evaluate(training, parts)

    net = by_hand(training).eval()
    logits = torch.cat(
        [
            net(normalise(part.images.contiguous(memory_format=torch.channels_last),
                          plan.preprocess.steps))
            for part in parts
        ]
    )  # fmt: skip
    labels = torch.cat([part.labels for part in parts])
    assert tally.count == 26
    assert tally.correct == int((logits.argmax(1) == labels).sum())
    expected = F.cross_entropy(logits, labels, label_smoothing=0.1).item()
    assert tally.loss == pytest.approx(expected, abs=1e-5)
    after = training.net.module.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())


def test_adamw_equals_a_plain_loop(photos: Path) -> None:
    recipe = engine.photos(
        photos,
        {"cnn": {"channels": [4, 8]}},
        epochs=1,
        optimizer={"adamw": {"lr": 0.01, "weight_decay": 0.1}},
    )
    plan = engine.planned(recipe)
    training = assembly.training(recipe, plan)
    net = assembly.net(recipe, plan).module.to(memory_format=torch.channels_last)
    parts = list(epoch_batches(recipe, plan, 1))

    list(loop.train(training, parts, first_step=0))
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.01, weight_decay=0.1, foreach=True)
    net.train()
    for part in parts:
        images = part.images.contiguous(memory_format=torch.channels_last)
        loss = F.cross_entropy(net(normalise(images, plan.preprocess.steps)), part.labels)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    mine = training.net.module.state_dict()
    assert all(torch.equal(mine[name], value) for name, value in net.state_dict().items())


def test_a_loss_that_is_no_number_stops_before_the_step(photos: Path) -> None:
    recipe = engine.photos(photos)
    training = assembly.training(recipe, engine.planned(recipe))
    with torch.no_grad():
        training.net.head_layer.bias[0] = float("nan")
    before = {name: p.clone() for name, p in training.net.module.named_parameters()}
    batch = Batch(
        epoch=1,
        indices=np.arange(4),
        images=torch.zeros(4, 3, 32, 32, dtype=torch.uint8),
        labels=torch.zeros(4, dtype=torch.int64),
    )

    with pytest.raises(NonFiniteLoss) as caught:
        list(loop.train(training, [batch], first_step=34))

    assert (caught.value.step, caught.value.lrs) == (34, [0.05])
    assert str(caught.value) == "the loss is nan at step 35"
    for name, value in training.net.module.named_parameters():
        assert torch.equal(value, before[name]) or name == "head.bias"


def test_a_light_step_takes_one_thread_and_the_frozen_part_all(photos: Path) -> None:
    recipe = engine.photos(photos, trains=["head"])
    plan = engine.planned(recipe)
    training = assembly.training(recipe, plan)
    seen: dict[str, set[int]] = {"frozen": set(), "trained": set()}

    def noting(part: str) -> Any:
        return lambda *_: seen[part].add(torch.get_num_threads())

    training.net.blocks[0].modules[0].register_forward_hook(noting("frozen"))
    training.net.head_layer.register_forward_hook(noting("trained"))
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        steps_of_the_loop(recipe, plan, training)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert seen == {"frozen": {2}, "trained": {1}}


def test_a_step_is_light_where_a_small_head_on_vectors_alone_trains(photos: Path) -> None:
    def is_light(trains: str, **model: Any) -> bool:
        cnn = {"cnn": {"channels": [4, 8]}, **model}
        return engine.planned(engine.photos(photos, cnn, trains=[trains])).is_light

    assert is_light("head")
    assert not is_light("all"), "convolutions pass over pictures"
    assert not is_light("head", head=[{"linear": 30_000}, {"linear": 30}])


def test_a_net_that_does_more_than_others_when_it_turns_to_training_is_told(
    recipe: Recipe, plan: Plan
) -> None:
    training, turned = assembly.training(recipe, plan), []

    class Keeping(nn.Identity):
        def train(self, mode: bool = True) -> "Keeping":
            turned.append(mode)
            return super().train(mode)

    training.net.module.add_module("keeping", Keeping())
    steps_of_the_loop(recipe, plan, training)
    loop.evaluate(training, epoch_batches(recipe, plan, 1))
    assert turned[-2:] == [True, False]
