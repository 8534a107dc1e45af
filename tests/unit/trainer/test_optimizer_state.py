"""After a checkpoint the next steps are those that would have come, bit for bit."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from fttrain import assembly, loop
from fttrain.events import Score
from fttrain.models import tensors
from fttrain.state import checkpoint
from tests import byhand
from tests.byhand import Trial

OPTIMIZERS: list[Any] = [
    {"sgd": {"lr": 0.05}},
    {"sgd": {"lr": 0.05, "momentum": 0.9, "nesterov": True}},
    {"adam": {"lr": 0.01, "amsgrad": True}},
    {"adamw": {"lr": 0.01}},
    {"nadam": {"lr": 0.01}},
    {"radam": {"lr": 0.01}},
    {"rmsprop": {"lr": 0.01, "momentum": 0.9, "centered": True}},
    {"sam": {"base": {"sgd": {"lr": 0.05, "momentum": 0.9}}}},
    {"sam": {"base": {"adamw": {"lr": 0.01}}, "adaptive": True, "rho": 0.5}},
]


def saved(path: Path, trial: Trial) -> Path:
    """Write a checkpoint of a net and its optimizer in the middle of a run."""
    low, high = 0.0, 1.0
    card = checkpoint.Card(
        epoch=1,
        step=7,
        best_epoch=1,
        best=Score(
            loss=1.0, accuracy=0.5, accuracy_low=low, accuracy_high=high, correct=1, count=2
        ),
        seed=0,
        job_name="tested",
        recipe=trial.recipe,
        plan=trial.plan,
    )
    checkpoint.write(path, trial.training.net.module, trial.training.optimizer, card)
    return path


@pytest.mark.parametrize("schedule", ["cosine", "one_cycle"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
def test_steps_go_on_from_a_checkpoint_as_if_nothing_had_been(
    optimizer: Any, schedule: str, tmp_path: Path
) -> None:
    trial = byhand.trial(optimizer=optimizer, schedule=schedule)
    batches = list(trial.batches())
    list(loop.train(trial.training, batches[:7], first_step=0))
    path = saved(tmp_path / "last.safetensors", trial)
    onward = list(loop.train(trial.training, batches[7:], first_step=7))

    contents = tensors.read(path)
    again = assembly.training(trial.recipe, trial.plan)
    again.net.module.load_state_dict(checkpoint.complete(path, contents)[0])
    checkpoint.restore_optimizer(
        again.net.module, again.optimizer, checkpoint.optimizer_state(contents)
    )
    resumed = list(loop.train(again, batches[7:], first_step=7))

    assert resumed == onward
    theirs = trial.training.net.module.state_dict()
    assert all(torch.equal(theirs[n], v) for n, v in again.net.module.state_dict().items())


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
def test_an_optimizer_has_no_state_but_tensors(optimizer: Any) -> None:
    trial = byhand.trial(optimizer=optimizer, epochs=1)
    trial.ours()
    held = [value for state in trial.training.optimizer.state.values() for value in state.values()]
    assert all(isinstance(value, Tensor) for value in held)
