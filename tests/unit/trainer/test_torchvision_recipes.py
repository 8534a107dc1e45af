"""The job files of torchvision's own recipes: their numbers are those of its references.

The formulas are written out here, as `references/classification/train.py` of torchvision has them.
"""

import math
from collections import Counter
from pathlib import Path

import pytest
from torch import nn
from torchvision.models import resnet50

from ftctl import JobFile
from fttrain.data import mixing
from fttrain.data.chance import Draws
from fttrain.models import build
from fttrain.optim import ema, groups, schedules
from fttrain.optim.schedules import Course
from fttrain.spec import basing
from fttrain.spec.recipe import Recipe

EXAMPLES = Path(__file__).parents[3] / "examples/torchvision"
IMAGES = 1_281_167
STEPS_V1 = math.ceil(IMAGES / 256)
STEPS_V2 = math.ceil(IMAGES / 1024)


def recipe(name: str) -> Recipe:
    file = JobFile.read(EXAMPLES / f"{name}.yaml")
    assert file.faults == ()
    return basing.resolve(file.request.recipe_json).recipe


def course(said: Recipe, steps_per_epoch: int) -> Course:
    train = said.train
    return Course(
        schedule=train.schedule, warmup=train.warmup, epochs=train.epochs,
        steps_per_epoch=steps_per_epoch,
    )  # fmt: skip


def test_v1_divides_its_rate_by_ten_every_thirty_epochs() -> None:
    said = recipe("v1")
    (card,) = groups.table(build.skeleton(said.model, classes=1000, channels=3), said.train)
    way = course(said, STEPS_V1)

    rates = [schedules.lr(card.lr, epoch * STEPS_V1, way) for epoch in range(90)]

    assert card.lr == 0.1
    assert card.weight_decay == 1e-4
    assert card.parameters == sum(p.numel() for p in resnet50().parameters()) == 25_557_032
    assert rates == pytest.approx([0.1 * 0.1 ** (epoch // 30) for epoch in range(90)], rel=1e-12)


def test_v2_warms_up_for_five_epochs_and_follows_half_a_cosine() -> None:
    said = recipe("v2")
    way = course(said, STEPS_V2)

    rates = [schedules.lr(0.5, epoch * STEPS_V2, way) for epoch in range(600)]

    def formula(epoch: int) -> float:
        if epoch < 5:  # LinearLR(start_factor=0.01, total_iters=5)
            return 0.5 * (0.01 + (1 - 0.01) * epoch / 5)
        return 0.5 * (1 + math.cos(math.pi * (epoch - 5) / 595)) / 2  # CosineAnnealingLR(595)

    assert rates == pytest.approx([formula(epoch) for epoch in range(600)], rel=1e-12)
    # Per epoch: within one nothing changes.
    assert schedules.lr(0.5, 7 * STEPS_V2 + STEPS_V2 - 1, way) == rates[7]


def test_v2_decays_all_but_the_normalisation() -> None:
    said = recipe("v2")
    net = resnet50()
    norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
    of_norms = sum(p.numel() for norm in norms for p in norm.parameters(recurse=False))

    cards = groups.table(build.skeleton(said.model, classes=1000, channels=3), said.train)

    decays = {card.weight_decay: card.parameters for card in cards}
    assert decays == {2e-5: 25_557_032 - of_norms, 0.0: of_norms}
    assert {card.lr for card in cards} == {0.5}


def test_v2_adjusts_the_decay_of_its_mean_as_the_reference_does() -> None:
    said = recipe("v2").train
    assert said.ema is not None

    decay = ema.adjusted(
        said.ema.decay,
        images=said.batch_size * said.accumulate,
        every=said.ema.every,
        epochs=said.epochs,
    )

    # adjust = world_size * batch_size * model_ema_steps / epochs
    # alpha = min(1, (1 - model_ema_decay) * adjust); decay = 1 - alpha
    adjust = 8 * 128 * 32 / 600
    assert decay == pytest.approx(1 - min(1.0, (1 - 0.99998) * adjust), rel=1e-12)


def test_v2_mixes_every_batch_by_mixup_or_cutmix_alike_often() -> None:
    ways = recipe("v2").data.mix

    drawn = [mixing.draw(ways, (176, 176), Draws(1, 0, step, 0)) for step in range(2000)]

    counts = Counter(type(each).__name__ for each in drawn)
    assert set(counts) == {"Blend", "Paste"}
    # Even chances: 1000 of 2000 within five standard deviations of 22.4.
    assert abs(counts["Blend"] - 1000) < 112
    # Beta(0.2, 0.2) has the mean 1/2 and the variance 1 / (4 * (2 * 0.2 + 1)).
    shares = [each.share for each in drawn if isinstance(each, mixing.Blend)]
    mean = sum(shares) / len(shares)
    variance = sum((share - mean) ** 2 for share in shares) / len(shares)
    assert mean == pytest.approx(0.5, abs=0.07)
    assert variance == pytest.approx(1 / (4 * 1.4), rel=0.1)
