"""The epoch before which no run is ended early."""

import pytest

from fttrain import stopping
from fttrain.events import EpochEnded, Score
from fttrain.spec.training import EarlyStopping


def ended(epoch: int, accuracy: float) -> EpochEnded:
    score = Score(
        loss=1.0, accuracy=accuracy, correct=1, count=2, accuracy_low=0.0, accuracy_high=1.0
    )
    return EpochEnded(
        epoch=epoch, step=epoch, train=score, val=score, lrs=[0.1], images_per_second=1.0,
        memory_bytes=1, seconds=1.0, best=False,
    )  # fmt: skip


@pytest.mark.word("train.early_stopping.min_epochs")
@pytest.mark.parametrize(("min_epochs", "last"), [(1, 4), (4, 4), (7, 7)])
def test_no_run_ends_before_its_least_number_of_epochs(min_epochs: int, last: int) -> None:
    rule = EarlyStopping(patience=3, min_epochs=min_epochs)
    # The first is never surpassed: without a least number it ends three epochs later.
    epochs = [ended(number, 0.9 if number == 1 else 0.5) for number in range(1, 11)]

    due = [number for number in range(1, 11) if stopping.is_due(rule, epochs[:number])]

    assert due[0] == last


def test_each_repeat_has_its_least_number_of_epochs() -> None:
    rule = EarlyStopping(patience=3, min_epochs=7)
    # The second repeat of ten epochs each: its epochs go on counting.
    epochs = [ended(number, 0.9 if number == 11 else 0.5) for number in range(11, 21)]

    due = [count for count in range(1, 11) if stopping.is_due(rule, epochs[:count])]

    assert due[0] == 7
