"""Numbers and times as people read them."""

from datetime import timedelta

import pytest

from ftctl.view import text


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (1e-3, "1e-3"),
        (2.5e-4, "2.5e-4"),
        (9.75528e-05, "9.8e-5"),
        (0.1, "1e-1"),
        (1.0, "1e0"),
        (0, "0e0"),
    ],
)
def test_learning_rates_are_short(value, shown):
    assert text.learning_rate(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0.0000"),
        (0.05491, "0.0549"),
        (9.99996, "10.00"),
        (99.996, "100"),
        (99999.6, "1e5"),
        (3.926e19, "3.9e19"),
        (float("inf"), "inf"),
        (float("nan"), "nan"),
    ],
)
def test_losses_take_at_most_six_characters(value, shown):
    assert text.loss(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1_000, "1.0 kB"),
        (431_000_000, "431 MB"),
        (999_700_000, "1.0 GB"),
        (12_300_000_000, "12 GB"),
    ],
)
def test_sizes_take_at_most_six_characters(value, shown):
    assert text.size(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.0, "0.0"), (7.42, "7.4"), (112.4, "112"), (1204, "1,204"), (12e3, "12k")],
)
def test_rates_take_at_most_five_characters(value, shown):
    assert text.rate(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.412, "0.41s"),
        (4.12, "4.1s"),
        (9.97, "10s"),
        (41.2, "41s"),
        (99.7, "1:40"),
        (3723, "1:02:03"),
    ],
)
def test_times_of_epochs_are_short(value, shown):
    assert text.seconds(value) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.42, "0.4 s"),
        (-1, "0.0 s"),
        (62, "1 min 2 s"),
        (3600, "1 h"),
        (3723, "1 h 2 min"),
        (90_000, "1 d 1 h"),
    ],
)
def test_durations_have_two_units(seconds, shown):
    assert text.duration(timedelta(seconds=seconds)) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(-3, "0 s"), (59, "59 s"), (61, "1 min"), (7300, "2 h"), (900_000, "10 d")],
)
def test_ages_have_one_unit(seconds, shown):
    assert text.age(timedelta(seconds=seconds)) == shown


def test_what_a_job_says_cannot_move_the_cursor():
    assert text.clean("a\x1b[2Jb\r\nc\x9b1m") == "a [2Jb c 1m"
    assert text.clean_line("\x1b[31m  red\tx\n") == " [31m  red  x"


def test_one_is_singular():
    assert text.counted(1, "class") == "1 class"
    assert text.counted(2, "class") == "2 classes"
    assert text.counted(1525, "step") == "1,525 steps"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0 B"),
        (512 * 2**20, "512 MiB"),
        (11 * 2**30, "11 GiB"),
        (3 * 2**29, "1.5 GiB"),
        (8 * 2**30, "8 GiB"),
        (1023 * 2**20, "1 GiB"),
        (139 * 2**30 + 2**29, "140 GiB"),
        (2 * 2**40, "2 TiB"),
    ],
)
def test_memory_is_told_in_the_units_in_which_it_is_asked_for(value, shown):
    assert text.memory(value) == shown


def test_a_part_of_a_memory_has_the_unit_of_the_whole():
    assert text.memory_of(0, 16 * 2**30) == "0 / 16 GiB"
    assert text.memory_of(300 * 2**20, 16 * 2**30) == "0.3 / 16 GiB"
    assert text.memory_of(12 * 2**30, 16 * 2**30) == "12 / 16 GiB"
    assert text.memory_of(0, 0) == "0 / 0 B"


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0, "0:00"), (192, "3:12"), (3599.4, "59:59"), (3599.6, "1h00m"), (7500, "2h05m"),
     (359_000, "99h43m"), (361_000, "4 d"), (1e12, "9999 d")],
)  # fmt: skip
def test_the_time_to_an_end_takes_at_most_six_characters(value, shown):
    assert text.left(value) == shown
    assert len(shown) <= 6
