"""The journal tells each step once, at most twice a second."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fttrain import events
from fttrain.events import Header, Notice, Steps
from fttrain.journal import Journal, StepLog
from fttrain.loop import Step

HEADER = Header(format=events.FORMAT, job_id="0123", attempt=1)


class Clock:
    """A clock that is set."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    journal = Journal(path, HEADER)
    yield journal
    journal.close()


def step(number: int, *, images: int = 4, loss: float = 1.0) -> Step:
    return Step(step=number, lrs=[0.1 * (number + 1)], loss=loss, correct=1, images=images)


def steps(path: Path) -> list[Steps]:
    records = [entry.record for entry in events.read(path)[0]]
    return [record for record in records if isinstance(record, Steps)]


def test_a_record_is_there_as_soon_as_it_is_written(path: Path, journal: Journal) -> None:
    journal.write(Notice(message="größer"))
    entries, _ = events.read(path)
    assert [entry.record for entry in entries] == [HEADER, Notice(message="größer")]


def test_a_journal_is_never_written_twice(path: Path, journal: Journal) -> None:
    with pytest.raises(FileExistsError, match="holds the records of a run already"):
        Journal(path, HEADER)
    assert len(events.read(path)[0]) == 1


def test_a_journal_may_be_there_empty(tmp_path: Path) -> None:
    (tmp_path / "j").touch()
    Journal(tmp_path / "j", HEADER).close()
    assert len(events.read(tmp_path / "j")[0]) == 1


def test_the_first_step_is_written_at_once(path: Path, journal: Journal) -> None:
    log = StepLog(journal, epochs=3, steps=9, clock=(clock := Clock()))
    log.begin(epoch=1)
    clock.now += 0.4
    log.add(step(0, images=8, loss=2.0))
    assert steps(path) == [
        Steps(
            epoch=1,
            epochs=3,
            first=1,
            steps=9,
            lrs=[[0.1]],
            losses=[2.0],
            mean_loss=2.0,
            images=8,
            images_per_second=pytest.approx(20.0),
            data_wait_s=0.0,
            data_wait_ratio=0.0,
        )
    ]


def test_steps_are_gathered_for_half_a_second(path: Path, journal: Journal) -> None:
    log = StepLog(journal, epochs=3, steps=9, clock=(clock := Clock()))
    log.begin(epoch=1)
    for number in range(5):
        clock.now += 0.2
        log.add(step(number, loss=float(number)))
    written = steps(path)
    assert [(s.first, s.last, s.losses) for s in written] == [
        (1, 1, [0.0]),
        (2, 4, [1.0, 2.0, 3.0]),
    ]
    assert written[1].mean_loss == 1.5
    assert written[1].images_per_second == pytest.approx(20.0)


def test_a_flush_writes_what_waits_and_then_nothing(path: Path, journal: Journal) -> None:
    log = StepLog(journal, epochs=3, steps=9, clock=Clock())
    log.begin(epoch=1)
    for number in range(3):
        log.add(step(number))
    log.flush()
    log.flush()
    assert [(s.first, s.last) for s in steps(path)] == [(1, 1), (2, 3)]


def test_an_epochs_mean_begins_anew(path: Path, journal: Journal) -> None:
    log = StepLog(journal, epochs=3, steps=9, clock=Clock())
    log.begin(epoch=1)
    log.add(step(0, loss=5.0))
    log.begin(epoch=2)
    log.add(step(1, loss=1.0))
    log.flush()
    first, second = steps(path)
    assert (first.epoch, first.mean_loss) == (1, 5.0)
    assert (second.epoch, second.mean_loss) == (2, 1.0)
    assert log.tally.count == 4


def test_images_count_over_the_epochs(path: Path, journal: Journal) -> None:
    log = StepLog(journal, epochs=3, steps=9, clock=Clock())
    for epoch in (1, 2):
        log.begin(epoch=epoch)
        log.add(step(2 * epoch - 2, images=8))
        log.add(step(2 * epoch - 1, images=3))
        log.flush()
    assert [s.images for s in steps(path)] == [8, 11, 22]


def test_waiting_for_images_is_told_in_seconds_and_as_a_share(path: Path, journal: Journal) -> None:
    log = StepLog(journal, epochs=3, steps=9, clock=(clock := Clock()))

    def loading() -> Iterator[int]:
        for number in range(3):
            clock.now += 0.3
            yield number

    log.begin(epoch=1)
    for number in log.timed(loading()):
        clock.now += 0.9
        log.add(step(number))

    assert [s.data_wait_s for s in steps(path)] == pytest.approx([0.3, 0.6, 0.9])
    assert [s.data_wait_ratio for s in steps(path)] == pytest.approx([0.25, 0.25, 0.25])
