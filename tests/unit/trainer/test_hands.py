"""Work on several cores at once, each at a task of its own."""

import threading
import warnings

import pytest
import torch

from fttrain.cache import hands


def test_tasks_run_side_by_side_and_come_back_in_order() -> None:
    both = threading.Barrier(2, timeout=60)

    def work(task: int) -> int:
        # Alone, nobody would pass.
        both.wait()
        return task * task

    assert list(hands.together(work, range(4), 2)) == [0, 1, 4, 9]


def test_each_takes_one_thread_of_torch_and_others_have_theirs_back() -> None:
    before = torch.get_num_threads()

    taken = [*hands.together(lambda _: torch.get_num_threads(), range(3), 2)]

    assert taken == [1, 1, 1]
    assert torch.get_num_threads() == before


def test_between_two_groups_nothing_runs() -> None:
    begun: list[int] = []

    made = hands.together(begun.append, range(6), 2)
    next(made)
    next(made)

    assert sorted(begun) == [0, 1]


def test_a_fault_of_a_task_is_raised_where_its_group_is_due() -> None:
    def work(task: int) -> int:
        if task == 2:
            raise ValueError("no")
        return task

    made = hands.together(work, range(4), 2)

    assert [next(made), next(made)] == [0, 1]
    with pytest.raises(ValueError, match="no"):
        next(made)


def test_filters_of_warnings_are_as_before() -> None:
    # One thread begins to ignore warnings and ends after the other has begun to.
    first, second = threading.Event(), threading.Event()

    def work(task: int) -> None:
        mine, other = (first, second) if task == 0 else (second, first)
        if task == 1:
            assert other.wait(60)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            mine.set()
            if task == 0:
                assert other.wait(60)

    before = list(warnings.filters)
    list(hands.together(work, range(2), 2))

    assert list(warnings.filters) == before
