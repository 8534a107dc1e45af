"""The end of a log shows where a process stood still."""

from ftd.jobs import stacks

TRAINER = [
    "Current thread 0x00007f01 (most recent call first):",
    '  File "/python/multiprocessing/connection.py", line 395 in _recv',
    '  File "/fttrain/loop.py", line 7 in train',
]
STUCK = [
    "Current thread 0x00007f02 (most recent call first):",
    '  File "/fttrain/data/decode.py", line 98 in picture',
    '  File "/fttrain/data/loaders.py", line 182 in _serve',
]
IDLE = [
    "Current thread 0x00007f03 (most recent call first):",
    '  File "/python/multiprocessing/connection.py", line 395 in _recv',
    '  File "/fttrain/data/loaders.py", line 182 in _serve',
]
TRAINED = [f"epoch {number}/9" for number in range(1, 7)]


def test_a_log_without_stacks_ends_with_its_last_lines() -> None:
    assert stacks.tail(TRAINED, 2) == ["epoch 5/9", "epoch 6/9"]
    assert stacks.tail([], 2) == []


def test_a_stack_is_shown_from_its_top() -> None:
    assert stacks.tail([*TRAINED, *STUCK], 2) == STUCK[:2]


def test_of_several_processes_that_which_waits_for_no_other_is_shown() -> None:
    assert stacks.tail([*TRAINED, *TRAINER, *STUCK, *IDLE], 3) == STUCK
    assert stacks.tail([*TRAINED, *TRAINER, *IDLE], 3) == IDLE


def test_a_crash_says_which_it_was() -> None:
    fatal = "Fatal Python error: Segmentation fault"

    assert stacks.tail([*TRAINED, fatal, "", *STUCK], 3) == [fatal, *STUCK[:2]]


def test_stacks_that_somebody_asked_for_long_ago_are_not_the_end() -> None:
    went_on = [f"epoch {number}/999" for number in range(200)]

    assert stacks.tail([*STUCK, *went_on], 1) == ["epoch 199/999"]
