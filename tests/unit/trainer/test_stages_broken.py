"""A run in stages, killed or paused at any of its steps and edges, ends as if it had not been."""

from pathlib import Path
from typing import Any

import pytest

from fttrain import run
from fttrain.events import CheckpointSaved, EpochEnded, Finished, Record, Resumed, Suspended
from fttrain.journal import Journal
from fttrain.models import tensors
from fttrain.spec import rundir
from fttrain.spec.recipe import Recipe
from tests import engine, staged
from tests.attempts import attempt, found
from tests.chaos.alike import differences

STEPS = 8
"""2 an epoch; stages end after 4 and 6."""


def everything(root: Path, **train: Any) -> Recipe:
    """Return a recipe whose stages differ in all, from the weights of another run."""
    donor = engine.parsed(
        {"digits": {"labels_per_class": 2}}, {"cnn": {"channels": [4, 8, 8]}},
        {"epochs": 1}, outputs=[],
    )  # fmt: skip
    if not (root / "donor").exists():
        engine.trained(root / "donor", donor)
    flip: dict[str, Any] = {"augment": ["horizontal_flip"]}
    adamw = {"adamw": {"lr": 0.01}}
    return staged.recipe(
        {"epochs": 2, **flip, "schedule": "one_cycle"},
        {"epochs": 1, "trains": "head", "optimizer_state": "keep"},
        {"epochs": 1, "trains": ["norm", "head"], "optimizer": adamw, "warmup": {"steps": 1}},
        model={
            "cnn": {"channels": [4, 8, 8]},
            "weights": f"file:{root / 'donor' / rundir.MODEL}",
        },
        **{
            "batch_size": 20, "ema": {"decay": 0.9, "every": 1}, "bn": "recalibrate",
            "checkpoint": {"steps": 1, "minutes": None, "keep": 9}, **train,
        },
    )  # fmt: skip


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("broken")


@pytest.fixture(scope="module")
def whole(root: Path) -> Path:
    """A run that nothing has broken."""
    engine.trained(root / "whole", everything(root))
    return root / "whole"


class Killed(BaseException):
    pass


def killed(folder: Path, monkeypatch: pytest.MonkeyPatch, *, step: int, at_edge: bool) -> None:
    """Work on an attempt until the checkpoint of a step is told; at the edge: that of its epoch.

    What a killed worker has told of a checkpoint may be one record short: nothing depends on it.
    """
    write, ended = Journal.write, 0

    def until(journal: Journal, record: Record) -> None:
        nonlocal ended
        write(journal, record)
        if isinstance(record, EpochEnded):
            ended = record.step
        is_kept = isinstance(record, CheckpointSaved) and record.step == step
        if is_kept and (ended == step) == at_edge:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "write", until)
        with pytest.raises(Killed):
            run.run(folder)


EDGES = [(2, True), (4, True), (6, True)]
MIDST = [(step, False) for step in range(1, STEPS + 1)]


@pytest.mark.parametrize(("step", "at_edge"), [*MIDST, *EDGES])
def test_a_kill_at_any_step_changes_not_a_bit(
    root: Path, whole: Path, monkeypatch: pytest.MonkeyPatch, step: int, at_edge: bool
) -> None:
    recipe, job = everything(root), root / f"{step}{'-edge' * at_edge}"
    killed(attempt(job, recipe), monkeypatch, step=step, at_edge=at_edge)
    second = attempt(job, recipe, 2)
    assert run.run(second) == 0

    assert found(engine.records(second), Resumed).step == step
    assert differences(whole, [job / "1", second]) == []


def test_two_kills_around_an_edge_change_not_a_bit(
    root: Path, whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, job = everything(root), root / "twice"
    killed(attempt(job, recipe), monkeypatch, step=4, at_edge=True)
    killed(attempt(job, recipe, 2), monkeypatch, step=5, at_edge=False)
    third = attempt(job, recipe, 3)
    assert run.run(third) == 0
    assert differences(whole, [job / "1", job / "2", third]) == []


@pytest.mark.parametrize("epoch", [2, 3])
def test_a_pause_right_before_a_stage_changes_not_a_bit(
    root: Path, whole: Path, monkeypatch: pytest.MonkeyPatch, epoch: int
) -> None:
    recipe, job = everything(root), root / f"pause-{epoch}"
    first, write = attempt(job, recipe), Journal.write

    def ask(journal: Journal, record: Record) -> None:
        write(journal, record)
        if isinstance(record, EpochEnded) and record.epoch == epoch:
            rundir.ask_to_pause(first)

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "write", ask)
        assert run.run(first) == 0
    assert engine.records(first)[-1] == Suspended(epoch=epoch + 1, step=2 * epoch)
    second = attempt(job, recipe, 2)
    assert run.run(second) == 0
    assert differences(whole, [first, second]) == []


def test_a_kill_within_a_repeat_changes_not_a_bit(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = everything(root, repeats=2)
    engine.trained(root / "repeated", recipe)
    for step, at_edge in ((STEPS + 4, True), (STEPS + 5, False)):
        job = root / f"repeat-{step}"
        killed(attempt(job, recipe), monkeypatch, step=step, at_edge=at_edge)
        second = attempt(job, recipe, 2)
        assert run.run(second) == 0
        assert differences(root / "repeated", [job / "1", second]) == []
        assert found(engine.records(second), Finished).spread is not None


def test_a_checkpoint_of_a_head_holds_what_an_earlier_stage_has_changed(
    root: Path, whole: Path
) -> None:
    last = tensors.read(whole / rundir.LAST)
    donor = tensors.read(root / "donor" / rundir.MODEL).tensors
    held = {name.removeprefix("model/") for name in last.tensors if name.startswith("model/")}
    assert held == set(donor)
    assert staged.changed(donor, staged.at_step(whole, 4)) >= staged.layers(*staged.BLOCKS) - {
        f"{block}.1.num_batches_tracked" for block in staged.BLOCKS
    }


def test_what_no_stage_trains_stays_in_the_file_of_weights(root: Path) -> None:
    everything(root)
    recipe = staged.recipe(
        {"epochs": 1, "trains": "head"},
        {"epochs": 1, "trains": ["head", "last:1"]},
        model={
            "cnn": {"channels": [4, 8, 8]},
            "weights": f"file:{root / 'donor' / rundir.MODEL}",
        },
    )
    engine.trained(root / "part", recipe)
    held = {
        name.removeprefix("model/")
        for name in tensors.read(root / "part" / rundir.LAST).tensors
        if name.startswith("model/")
    }
    assert held == staged.layers("features.2", "head")
