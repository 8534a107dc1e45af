"""How often a run evaluates, when it ends, how often it is repeated."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import pytest
import torch

from fttrain import run, stopping
from fttrain.artifacts.export import read_model
from fttrain.events import (
    ArtifactMade,
    CheckpointSaved,
    EpochEnded,
    Finished,
    PhaseChanged,
    Record,
    Score,
    Steps,
)
from fttrain.models import tensors
from fttrain.results.spread import quantile, spread
from fttrain.spec import rundir
from fttrain.spec.training import EarlyStopping
from fttrain.state import checkpoint
from tests import engine


def ended(records: list[Record]) -> list[EpochEnded]:
    return [record for record in records if isinstance(record, EpochEnded)]


def accuracy(epoch: EpochEnded) -> float:
    assert epoch.val is not None
    return epoch.val.accuracy


def finished(records: list[Record]) -> Finished:
    last = records[-1]
    assert isinstance(last, Finished)
    return last


# --- evaluations ----------------------------------------------------------------------------


@pytest.mark.word("train.evaluate_every", "train.evaluate_first")
def test_every_so_many_epochs_are_evaluated_and_the_last(tmp_path: Path) -> None:
    words: dict[str, Any] = {"epochs": 5, "evaluate_first": True}
    records = engine.trained(tmp_path / "some", engine.digits(evaluate_every=2, **words))
    always = ended(engine.trained(tmp_path / "all", engine.digits(**words)))

    epochs = ended(records)

    assert [epoch.epoch for epoch in epochs if epoch.val is not None] == [0, 2, 4, 5]
    # What an evaluation is left out of, goes on as if there had been one.
    assert [epoch.train for epoch in epochs] == [epoch.train for epoch in always]
    assert [e.val for e in epochs if e.val] == [e.val for e in always if e.epoch in (0, 2, 4, 5)]
    best = max((e for e in epochs[1:] if e.val is not None), key=accuracy)
    assert finished(records).best_epoch == best.epoch
    saved = [record for record in records if isinstance(record, CheckpointSaved)]
    assert [each.epoch for each in saved if each.which == "last"] == [1, 2, 3, 4, 5]
    assert saved[0].which == "last"


def test_a_checkpoint_before_any_evaluation_can_be_read(tmp_path: Path) -> None:
    engine.trained(tmp_path / "run", engine.digits(epochs=2, evaluate_every=2, repeats=2))

    path = tmp_path / "run" / "checkpoints" / "repeat-2" / "last.safetensors"
    _, card = checkpoint.read(path)

    assert (card.epoch, card.seed) == (4, 1)


def test_an_epoch_that_a_user_ends_with_is_evaluated(tmp_path: Path) -> None:
    folder = engine.prepare(tmp_path / "run", engine.digits(epochs=9, evaluate_every=4))
    rundir.ask_to_finish(folder)

    assert run.run(folder) == 0

    records = engine.records(folder)
    assert [epoch.val is not None for epoch in ended(records)] == [True]
    assert finished(records).stopped_after == 1


# --- early stopping -------------------------------------------------------------------------


def story(*scores: float | None, loss: bool = False, untrained: float | None = None) -> Any:
    """Return epochs with these accuracies, or losses."""

    def epoch(number: int, value: float | None, *, is_trained: bool = True) -> EpochEnded:
        numbers = {"correct": 0, "count": 1, "accuracy_low": 0.0, "accuracy_high": 1.0}
        pair = {"loss": value, "accuracy": 0.5} if loss else {"loss": 1.0, "accuracy": value}
        val = Score(**pair, **numbers) if value is not None else None  # type: ignore[arg-type]
        train = Score(loss=1.0, accuracy=0.5, **numbers) if is_trained else None  # type: ignore[arg-type]
        return EpochEnded(
            epoch=number, step=number, train=train, val=val, lrs=[0.1], images_per_second=1.0,
            memory_bytes=1, seconds=1.0, best=False,
        )  # fmt: skip

    before = [epoch(0, untrained, is_trained=False)] if untrained is not None else []
    return [*before, *(epoch(number, value) for number, value in enumerate(scores, 1))]


PATIENT = [
    ((0.5, 0.6, 0.6), 2, 0.0, False),
    ((0.5, 0.6, 0.6, 0.59), 2, 0.0, True),
    ((0.5, 0.6, 0.6, 0.59, 0.7), 2, 0.0, False),
    ((0.5, None, None, 0.5, None, 0.5), 2, 0.0, True),
    ((0.5, None, None, 0.5, None), 2, 0.0, False),
    # Small steps add up: the last improvement counts, not the epoch before.
    ((0.5, 0.54, 0.58, 0.62), 2, 0.05, False),
    ((0.5, 0.52, 0.54), 2, 0.05, True),
    ((), 1, 0.0, False),
]  # fmt: skip


@pytest.mark.word(
    "train.early_stopping", "train.early_stopping.patience", "train.early_stopping.min_delta"
)
@pytest.mark.parametrize(("scores", "patience", "min_delta", "due"), PATIENT)
def test_a_run_ends_after_so_many_evaluations_without_improvement(
    scores: tuple[float | None, ...], patience: int, min_delta: float, due: bool
) -> None:
    rule = EarlyStopping(patience=patience, min_delta=min_delta)
    # The rule, by hand: the reference is the last value that was better by more than min_delta.
    vain, reference = 0, -math.inf
    for value in (score for score in scores if score is not None):
        vain, reference = (0, value) if value - reference > min_delta else (vain + 1, reference)

    assert stopping.is_due(rule, story(*scores)) == (vain >= patience) == due
    assert not stopping.is_due(None, story(*scores))


@pytest.mark.word("train.early_stopping.metric")
def test_a_smaller_loss_is_an_improvement() -> None:
    rule = EarlyStopping(patience=2, metric="loss")

    assert not stopping.is_due(rule, story(1.0, 0.9, 0.8, loss=True))
    assert stopping.is_due(rule, story(0.8, 0.9, 1.0, loss=True))
    assert not stopping.is_due(EarlyStopping(patience=2), story(0.8, 0.9, 1.0))


def test_an_evaluation_before_training_is_no_reference() -> None:
    rule = EarlyStopping(patience=1)

    assert not stopping.is_due(rule, story(0.2, 0.3, untrained=0.9))


def test_a_run_that_does_not_improve_ends_well_and_says_so(tmp_path: Path) -> None:
    rule = {"patience": 2, "min_delta": 0.9}
    recipe = engine.digits(epochs=9, early_stopping=rule)

    records = engine.trained(tmp_path / "run", recipe)

    done = finished(records)
    assert [epoch.epoch for epoch in ended(records)] == [1, 2, 3]
    assert (done.exhausted_after, done.stopped_after) == (3, None)
    assert read_model(tmp_path / "run" / rundir.MODEL)[1].origin.epoch == done.best_epoch


def test_one_whose_patience_ends_with_its_last_epoch_is_complete(tmp_path: Path) -> None:
    rule = {"patience": 2, "min_delta": 0.9}

    done = finished(engine.trained(tmp_path / "run", engine.digits(epochs=3, early_stopping=rule)))

    assert (done.exhausted_after, done.stopped_after) == (None, None)


# --- repeats --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def repeated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("repeats") / "run"
    with one_thread():
        engine.trained(folder, engine.digits(seed=7, repeats=3))
    return folder


@contextmanager
def one_thread() -> Iterator[None]:
    torch.set_num_threads(1)
    yield
    torch.use_deterministic_algorithms(False)


@pytest.mark.word("train.repeats", "train.seed")
def test_repeats_are_the_runs_of_the_next_seeds(repeated: Path, tmp_path: Path) -> None:
    records = engine.records(repeated)
    singles = [engine.trained(tmp_path / str(seed), engine.digits(seed=seed)) for seed in (7, 8, 9)]

    told = [(e.repeat, e.epoch, e.step, e.train, e.val) for e in ended(records)]

    assert told == [
        (repeat, single.epoch + 2 * (repeat - 1), single.step + 20 * (repeat - 1),
         single.train, single.val)
        for repeat, run_records in enumerate(singles, 1)
        for single in ended(run_records)
    ]  # fmt: skip
    for repeat, seed in enumerate((7, 8, 9), 1):
        kept = tensors.read(repeated / "checkpoints" / f"repeat-{repeat}" / "best.safetensors")
        alone = tensors.read(tmp_path / str(seed) / rundir.BEST)
        assert all(kept.tensors[name].equal(value) for name, value in alone.tensors.items())


def test_repeats_look_for_their_images_once_and_tell_their_split_once(tmp_path: Path) -> None:
    data = {"fake": {"classes": 2, "train": 8, "val": 4, "side": 8}, "limit": 3}
    recipe = engine.parsed(data, {"cnn": {"channels": [4]}}, {"epochs": 1, "repeats": 3})

    with one_thread():
        records = engine.trained(tmp_path / "run", recipe)

    made = [record.what for record in records if isinstance(record, ArtifactMade)]
    assert made.count("table/split") == 1
    assert [each.repeat for each in ended(records)] == [1, 2, 3]


def test_repeats_come_to_mean_deviation_and_students_interval(repeated: Path) -> None:
    records = engine.records(repeated)
    by_repeat = [[e for e in ended(records) if e.repeat == repeat] for repeat in (1, 2, 3)]
    best = [max(map(accuracy, epochs)) for epochs in by_repeat]

    found = finished(records).spread

    assert found is not None
    assert found.accuracies == best
    assert found.mean == pytest.approx(mean(best))
    assert found.deviation == pytest.approx(stdev(best))
    # 4.3027 is the 97.5 % quantile of Student's t of two degrees of freedom.
    reach = 4.302652729911275 * stdev(best) / math.sqrt(3)
    assert (found.low, found.high) == pytest.approx((mean(best) - reach, mean(best) + reach))


def test_the_model_is_that_of_the_best_repeat(repeated: Path) -> None:
    records = engine.records(repeated)
    best = max(ended(records), key=lambda e: (accuracy(e), -e.epoch))

    done = finished(records)
    kept, card = checkpoint.read(repeated / rundir.BEST)
    model, origin = read_model(repeated / rundir.MODEL)

    assert (done.best_epoch, done.best_accuracy) == (best.epoch, accuracy(best))
    assert [e for e in ended(records) if e.best][-1] == best
    assert (card.epoch, card.seed) == (best.epoch, 6 + best.repeat)
    assert origin.origin.epoch == best.epoch
    assert all(model[name].equal(value) for name, value in kept.items())


def test_progress_goes_on_over_the_repeats(repeated: Path) -> None:
    records = engine.records(repeated)
    steps = [record for record in records if isinstance(record, Steps)]

    assert (steps[0].first, steps[-1].last, {s.steps for s in steps}) == (1, 60, {60})
    assert {s.epochs for s in steps} == {6}
    numbers = [r.epoch for r in records if isinstance(r, PhaseChanged)]
    assert numbers == sorted(numbers)


def test_a_user_who_ends_repeats_gets_the_spread_of_those_that_were_whole(tmp_path: Path) -> None:
    folder = engine.prepare(tmp_path / "run", engine.digits(epochs=1, repeats=3))
    rundir.ask_to_finish(folder)

    assert run.run(folder) == 0

    done = finished(engine.records(folder))
    assert done.stopped_after == 1
    assert done.spread is not None
    assert (len(done.spread.accuracies), done.spread.low) == (1, None)


def test_students_quantiles_are_those_of_the_tables() -> None:
    tables = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 9: 2.262, 10: 2.228, 30: 2.042, 120: 1.980}

    assert {n: round(quantile(0.975, n), 3) for n in tables} == tables
    assert quantile(0.95, 5) == pytest.approx(2.015048, abs=1e-6)
    assert spread([]) is None
