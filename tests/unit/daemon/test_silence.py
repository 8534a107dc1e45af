"""A worker that has stalled is told from one that is slow."""

import pytest

from ftd.jobs.silence import Silence
from fttrain import events
from fttrain.events import Entry, PhaseChanged, PhaseName


def phase(name: PhaseName, epoch: int = 1, time: float = 0.0) -> Entry:
    return Entry(time=time, record=PhaseChanged(phase=name, epoch=epoch))


def steps(time: float, count: int = 1) -> Entry:
    record = events.Steps(
        epoch=1, epochs=2, first=1, steps=100, lrs=[[0.1]] * count, losses=[0.5] * count,
        mean_loss=0.5, images=8, images_per_second=1.0, data_wait_s=0.0, data_wait_ratio=0.0,
    )  # fmt: skip
    return Entry(time=time, record=record)


def limit(silence: Silence) -> float:
    """Return after how many seconds of silence a worker has stalled."""
    now = 0.0
    while not silence.look(now=now):
        now += 1.0
        assert now < 10_000
    return now


@pytest.fixture
def training() -> Silence:
    """Return one that has heard a worker make ten steps, each of 0.1 s."""
    silence = Silence()
    silence.hear([phase("training"), *[steps(0.1 * (number + 1)) for number in range(10)]])
    return silence


def test_a_minute_without_a_step_is_too_long(training: Silence) -> None:
    assert limit(training) == 61
    assert str(training) == (
        "No step for 61 s while it trained (epoch 1); a usual step takes 0.1 s, and at most 60 s "
        "are waited for."
    )


def test_ten_usual_steps_are_waited_for_where_that_is_longer() -> None:
    silence = Silence()
    silence.hear([phase("training"), steps(20.0), steps(40.0), steps(300.0), steps(320.0)])

    assert limit(silence) == 201


def test_steps_that_are_told_together_took_their_share_of_the_time() -> None:
    silence = Silence()
    silence.hear([phase("training"), steps(80.0, count=10)])

    assert limit(silence) == 81


def test_the_first_step_may_take_longer(training: Silence) -> None:
    silence = Silence()
    silence.hear([phase("training")])
    assert limit(silence) == 601
    assert str(silence) == (
        "No sign of life for 601 s while it trained (epoch 1); at most 600 s are waited for."
    )

    training.hear([phase("evaluating"), phase("training", epoch=2)])
    assert limit(training) == 61


@pytest.mark.parametrize(
    ("name", "seconds"),
    [("setup", 1801), ("evaluating", 601), ("checkpointing", 601), ("exporting", 1801)],
)
def test_what_tells_no_steps_has_a_limit_of_its_own(
    training: Silence, name: PhaseName, seconds: int
) -> None:
    training.hear([phase(name)])

    assert limit(training) == seconds


def test_a_worker_that_says_nothing_at_all_is_not_waited_for_for_ever() -> None:
    silence = Silence(stall_s=2)

    assert limit(silence) == 61
    assert str(silence) == (
        "No sign of life for 61 s while it made ready; at most 60 s are waited for."
    )


def test_any_sign_of_life_will_do(training: Silence) -> None:
    for now in range(50):
        assert not training.look(now=now)
    training.hear([Entry(time=50.0, record=events.Alive())])
    for now in range(50, 110):
        assert not training.look(now=now)
    assert training.look(now=112)


def test_while_the_daemon_itself_stood_still_nobody_was_silent(training: Silence) -> None:
    assert not training.look(now=0)
    assert not training.look(now=3600)
    assert not training.look(now=7200)


def test_a_clock_of_the_worker_that_goes_back_does_no_harm(training: Silence) -> None:
    training.hear([steps(-3600.0), steps(-3599.9)])

    assert limit(training) == 61
