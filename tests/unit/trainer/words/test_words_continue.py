"""A job goes on from the end of another one (`train.continue`)."""

from pathlib import Path
from typing import Any

import pytest

from fttrain import run
from fttrain.events import (
    Notice,
    Record,
)
from fttrain.models import tensors
from fttrain.spec import rundir
from tests import engine
from tests.attempts import attempt, found, history


def onward(root: Path, **train: Any) -> tuple[Path, list[Record]]:
    """Have a job go on from one of 2 epochs whose run directory is `root`/1; run it."""
    recipe = engine.digits(**{"continue": "job:ants", "ema": {"decay": 0.9, "every": 2}} | train)
    plan = engine.planned(recipe, **{"job:ants": str(root / "1" / rundir.LAST)})
    folder = engine.prepare(root / "onward", recipe, plan)
    assert run.run(folder) == 0
    return folder, engine.records(folder)


@pytest.mark.word("train.continue")
def test_a_job_that_goes_on_is_one_that_was_never_interrupted(tmp_path: Path) -> None:
    words = {"ema": {"decay": 0.9, "every": 2}, "optimizer": {"adamw": {"lr": 0.01}}}
    run.run(attempt(tmp_path, engine.digits(epochs=2, **words)))
    folder, records = onward(tmp_path, epochs=5, optimizer={"adamw": {"lr": 0.01}})
    engine.trained(tmp_path / "whole", engine.digits(epochs=5, **words))

    assert history(folder) == history(tmp_path / "whole")
    whole, gone_on = (
        tensors.read(each / rundir.LAST).tensors for each in (tmp_path / "whole", folder)
    )
    assert all(gone_on[name].equal(value) for name, value in whole.items())
    assert found(records, Notice).message == (
        "goes on from job tested after epoch 2, step 20; the schedule `constant` is extended: no "
        "rate before would have been another"
    )


def test_a_plan_says_where_a_schedule_is_stretched_or_replaced(tmp_path: Path) -> None:
    run.run(attempt(tmp_path, engine.digits(epochs=2, schedule="cosine")))
    last = {"job:ants": str(tmp_path / "1" / rundir.LAST)}

    def notice(**train: Any) -> str:
        plan = engine.planned(
            engine.digits(**{"continue": "job:ants", "epochs": 5} | train), **last
        )
        assert plan.continued is not None
        return next(told for told in plan.notices if told.startswith("goes on"))

    assert notice(schedule="cosine").endswith(
        "the schedule `cosine` is stretched over 5 epochs: rates go on as if they had been planned "
        "from the beginning"
    )
    assert notice().endswith("the schedule `constant` takes the place of that job's")


def test_what_a_job_cannot_go_on_with_is_told_all_at_once(tmp_path: Path) -> None:
    run.run(attempt(tmp_path, engine.digits(epochs=2)))
    last = {"job:ants": str(tmp_path / "1" / rundir.LAST)}
    other = engine.parsed(
        {"digits": {"labels_per_class": 5}},
        {"cnn": {"channels": [4, 8, 16]}},
        {
            "continue": "job:ants", "epochs": 2, "batch_size": 5, "seed": 3, "trains": "head",
            "optimizer": {"adamw": {"lr": 0.01}}, "ema": {}, "repeats": 2, "max_steps": 20,
        },
    )  # fmt: skip

    assert engine.refused(other, last) == {
        "data": "has 50 images to train on, `job:ants` had 40; to begin with its weights, say "
        "`model.weights: job:ants/last`",
        "model.cnn": "must be {'channels': [4, 8], 'pool': 2, 'dropout': 0.0}, as in `job:ants`",
        "train.batch_size": "must be 4, as in `job:ants`",
        "train.ema": "`job:ants` has kept no mean of its weights; leave it out",
        "train.epochs": "is 2, and `job:ants` has trained 2 already; say more",
        "train.max_steps": "is 20, and `job:ants` has made 20 already; say more",
        "train.optimizer": "must be sgd, as in `job:ants`",
        "train.repeats": "a run that is repeated cannot go on",
        "train.seed": "must be 0, as in `job:ants`",
        "train.trains": "trains other parameters than `job:ants` did",
    }


def test_a_job_that_nobody_knows_cannot_be_gone_on_with(tmp_path: Path) -> None:
    recipe = engine.digits(**{"continue": "job:ants"})
    assert engine.refused(recipe) == {
        "train.continue": "no job is known here that `job:ants` could mean"
    }
    gone = {"job:ants": str(tmp_path / "last.safetensors")}
    assert engine.refused(recipe, gone) == {
        "train.continue": f"{tmp_path}/last.safetensors cannot be read: No such file or directory"
    }
