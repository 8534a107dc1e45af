"""A run in stages against the same run as a plain torch loop, bit for bit; and what it keeps."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import SGD, AdamW, Optimizer

from fttrain import assembly
from fttrain.data import order
from fttrain.data.view import EvalView, normalise
from fttrain.draft import Draft
from fttrain.events import EpochEnded, Finished, PhaseChanged
from fttrain.models import tensors
from fttrain.spec import halving, itinerary, rundir
from fttrain.spec.plan import Plan
from fttrain.spec.recipe import Recipe
from tests import engine, staged
from tests.attempts import found
from tests.photos import make_photo_folder

MIDDLE = staged.layers("features.1", "features.2")


class Loop:
    """A training written as anyone would: one net, a loop over epochs, whichever optimizer."""

    def __init__(self, recipe: Recipe, plan: Plan) -> None:
        self.recipe, self.plan = recipe, plan
        self.net = assembly.net(recipe, plan).module.to(memory_format=torch.channels_last)
        self.named = dict(self.net.named_parameters())
        self.source = Draft(recipe=recipe, references={}).source
        self.number = 0

    def train(
        self, epochs: int, optimizer: Optimizer, rate: Callable[[int, int], float], *frozen: str
    ) -> None:
        """Train so many epochs; `rate` is that of an epoch and a step, from 0 in this call."""
        step = 0
        for name, parameter in self.named.items():
            parameter.requires_grad_(not name.startswith(frozen) if frozen else True)
        for epoch in range(epochs):
            self.number += 1
            self.net.train()
            for name in frozen:
                self.net.get_submodule(name).eval()
            for images, labels in self.batches():
                for table in optimizer.param_groups:
                    table["lr"] = rate(epoch, step)
                F.cross_entropy(self.net(images), labels).backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                optimizer.zero_grad()
                step += 1

    def batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        train, view = self.source.train, EvalView(self.plan.preprocess.steps)
        shuffled = order.epoch_order(len(train), self.recipe.train.seed, self.number)
        for part in order.batches(shuffled, self.recipe.train.batch_size, True):
            seen = torch.stack([view(train.picture(index)) for index in part.tolist()])
            images = seen.contiguous(memory_format=torch.channels_last)
            yield (
                normalise(images, self.plan.preprocess.steps),
                torch.from_numpy(train.labels[part]),
            )

    def trained(self, *names: str) -> list[nn.Parameter]:
        return [value for name, value in self.named.items() if name.startswith(names)]

    def assert_is(self, folder: Path) -> None:
        theirs = staged.net_of(folder / rundir.LAST)
        assert staged.changed(self.net.state_dict(), theirs) == set()


def test_two_stages_are_two_loops_one_after_the_other(tmp_path: Path) -> None:
    recipe = staged.recipe(
        {"epochs": 3, "schedule": {"step": {"every": 2, "gamma": 0.1}}, "warmup": {"steps": 5}},
        {"epochs": 2, "trains": ["head", "first:1"], "optimizer": {"adamw": {"lr": 0.01}}},
    )
    plan = engine.planned(recipe)
    engine.trained(tmp_path / "run", recipe, plan)

    hand = Loop(recipe, plan)
    # The schedule's clock of whole epochs begins where the warm-up ends.
    hand.train(
        3,
        SGD(hand.net.parameters(), lr=0.05, momentum=0.9),
        lambda _, step: (
            0.05 * (0.01 + 0.99 * (step / 5)) if step < 5 else 0.05 * 0.1 ** ((step - 5) // 10 // 2)
        ),
    )
    after = {name: value.clone() for name, value in hand.net.state_dict().items()}
    adamw = AdamW(hand.trained("head", "features.0"), lr=0.01)
    hand.train(2, adamw, lambda *_: 0.01, "features.1", "features.2")

    hand.assert_is(tmp_path / "run")
    assert staged.changed(after, hand.net.state_dict()).isdisjoint(MIDDLE)


ADAMW = {"adamw": {"lr": 0.01}}


@pytest.mark.parametrize("optimizer", [staged.SGD, ADAMW], ids=["sgd", "adamw"])
@pytest.mark.parametrize("state", ["keep", "reset"])
def test_an_optimizer_goes_on_or_begins_anew(
    tmp_path: Path, state: str, optimizer: dict[str, Any]
) -> None:
    recipe = staged.recipe(
        {"epochs": 2, "trains": ["head", "first:1"]},
        {"epochs": 2, "optimizer_state": state},
        optimizer=optimizer,
    )
    plan = engine.planned(recipe)
    engine.trained(tmp_path / "run", recipe, plan)

    hand = Loop(recipe, plan)

    def made() -> Optimizer:
        if optimizer is ADAMW:
            return AdamW(hand.net.parameters(), lr=0.01)
        return SGD(hand.net.parameters(), lr=0.05, momentum=0.9)

    # torch's optimizers pass over what has no gradient, and so know nothing of it.
    first, lr = made(), 0.01 if optimizer is ADAMW else 0.05
    hand.train(2, first, lambda *_: lr, "features.1", "features.2")
    hand.train(2, first if state == "keep" else made(), lambda *_: lr)
    hand.assert_is(tmp_path / "run")


def test_stages_alike_with_a_kept_optimizer_are_one_training(tmp_path: Path) -> None:
    words: dict[str, Any] = {"ema": {"decay": 0.9, "every": 3}, "accumulate": 2}
    engine.trained(tmp_path / "whole", engine.parsed(
        {"digits": {"labels_per_class": 4}}, {"cnn": {"channels": [4, 8, 8]}},
        {"epochs": 4, **words}, outputs=[],
    ))  # fmt: skip
    recipe = staged.recipe({"epochs": 1}, {"epochs": 3, "optimizer_state": "keep"}, **words)
    engine.trained(tmp_path / "parted", recipe)

    whole, parted = (
        tensors.read(tmp_path / name / rundir.LAST).tensors for name in ("whole", "parted")
    )
    assert staged.changed(whole, parted) == set()


def test_a_stage_is_told_in_the_journal_and_counted_on(tmp_path: Path) -> None:
    recipe = staged.recipe({"epochs": 2, "trains": "head"}, {"epochs": 1}, evaluate_first=True)
    records = engine.trained(tmp_path / "run", recipe)

    ended = [(r.epoch, r.step, r.stage) for r in records if isinstance(r, EpochEnded)]
    assert ended == [(0, 0, 0), (1, 10, 1), (2, 20, 1), (3, 30, 2)]
    turned = [r for r in records if isinstance(r, PhaseChanged) and r.phase == "training"]
    assert [(r.epoch, r.stage) for r in turned] == [(1, 1), (2, 1), (3, 2)]


def test_a_lone_stage_is_no_stage_to_people(tmp_path: Path) -> None:
    records = engine.trained(tmp_path / "run", staged.recipe({"epochs": 1}))
    assert {r.stage for r in records if isinstance(r, EpochEnded)} == {0}


def test_the_best_of_all_stages_is_exported_whole(tmp_path: Path) -> None:
    """Later stages have changed what the best one, of the first, has not."""
    recipe = staged.recipe(
        {"epochs": 3, "trains": "head", "optimizer": {"sgd": {"lr": 0.1}}},
        {"epochs": 1, "optimizer": {"sgd": {"lr": 9.0}}},
    )
    records = engine.trained(tmp_path / "run", recipe)

    best = found(records, Finished).best_epoch
    assert best <= 3
    model = tensors.read(tmp_path / "run" / rundir.MODEL).tensors
    assert staged.changed(staged.net_of(tmp_path / "run" / rundir.BEST), model) == set()
    fresh = assembly.net(recipe, engine.planned(recipe)).module.state_dict()
    assert staged.changed(fresh, model) == staged.layers("head")


def test_max_steps_cuts_the_whole_run(tmp_path: Path) -> None:
    recipe = staged.recipe({"epochs": 2}, {"epochs": 2}, {"epochs": 2}, max_steps=25)
    plan = engine.planned(recipe)
    assert [(card.epochs, card.steps) for card in plan.stages] == [(2, 20), (1, 5), (0, 0)]
    assert (plan.epochs, plan.steps) == (3, 25)
    assert "max_steps is 25: stage 3 is never reached" in plan.notices

    records = engine.trained(tmp_path / "run", recipe, plan)
    ended = [(r.epoch, r.step, r.stage) for r in records if isinstance(r, EpochEnded)]
    assert ended == [(1, 10, 1), (2, 20, 1), (3, 25, 2)]


def test_only_the_last_stage_ends_where_validation_stands_still(tmp_path: Path) -> None:
    still = {"sgd": {"lr": 1e-9}}
    recipe = staged.recipe(
        {"epochs": 4}, {"epochs": 9}, optimizer=still, early_stopping={"patience": 2}
    )
    records = engine.trained(tmp_path / "run", recipe)
    finished = found(records, Finished)
    assert finished.exhausted_after is not None
    assert finished.exhausted_after >= 4 + 3
    assert finished.stopped_after is None


def test_the_last_epoch_of_each_stage_is_evaluated(tmp_path: Path) -> None:
    recipe = staged.recipe({"epochs": 1}, {"epochs": 3}, evaluate_every=4)
    records = engine.trained(tmp_path / "run", recipe)
    ended = [r for r in records if isinstance(r, EpochEnded)]
    assert [r.epoch for r in ended if r.val is not None] == [1, 4]


def test_halved_batches_hold_in_every_stage() -> None:
    recipe = staged.recipe({"epochs": 1, "trains": "head"}, {"epochs": 1}, batch_size=8)
    halved = halving.halved(engine.planned(recipe))
    assert halved is not None
    assert [plan.micro_batch for plan in itinerary.plans(halved)] == [4, 4]
    assert [plan.chunk for plan in itinerary.plans(halved)] == [8, 8]


def test_a_plan_holds_what_each_stage_decides() -> None:
    recipe = staged.recipe(
        {"epochs": 2, "trains": "head"},
        {"epochs": 1, "trains": ["head", "last:1"], "optimizer_state": "keep"},
        {"epochs": 3},
    )
    plan = engine.planned(recipe)

    rows = [
        (c.first_epoch, c.epochs, c.first_step, c.steps, c.parameters_trained, len(c.prefix))
        for c in plan.stages
    ]
    assert rows == [(1, 2, 1, 20, 90, 5), (3, 1, 21, 10, 682, 2), (4, 3, 31, 30, 1030, 0)]
    norms = [(card.batch_norm_train, card.batch_norm_eval) for card in plan.stages]
    assert norms == [(0, 3), (1, 2), (3, 0)]
    assert plan.parameters_trained == 1030
    assert plan.activation_bytes == max(card.activation_bytes for card in plan.stages)
    assert [itinerary.of_epoch(plan, epoch) for epoch in range(7)] == [0, 0, 0, 1, 2, 2, 2]
    assert [itinerary.of_step(plan, step) for step in (0, 1, 20, 21, 30, 31)] == [0, 0, 0, 1, 1, 2]
    assert [itinerary.steps_until(plan, epoch) for epoch in (0, 2, 3, 6)] == [0, 20, 30, 60]


def test_the_result_does_not_depend_on_loaders_with_changes_of_each_stage(tmp_path: Path) -> None:
    photos = make_photo_folder(tmp_path / "photos", per_class=6, val_per_class=2)

    def told(workers: int) -> list[float]:
        data = {
            "folder": {"path": str(photos)}, "preprocess": engine.FRAMED, "workers": workers,
            "augment": ["horizontal_flip"],
        }  # fmt: skip
        jitter = {"color_jitter": {"brightness": 0.5}}
        recipe = staged.recipe(
            {"epochs": 1},
            {"epochs": 1, "augment": [{"random_resized_crop": {"size": 24}}, jitter]},
            {"epochs": 1, "augment": []},
            data=data,
        )
        records = engine.trained(tmp_path / str(workers), recipe)
        ended = [r for r in records if isinstance(r, EpochEnded) and r.train is not None]
        return [r.train.loss for r in ended if r.train is not None]

    assert told(0) == told(1) == told(3)
