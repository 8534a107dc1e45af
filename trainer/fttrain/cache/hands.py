"""Work on several cores at once, each of them at a task of its own."""

import itertools
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

from fttrain import process

Task = TypeVar("Task")
Made = TypeVar("Made")


def together(work: Callable[[Task], Made], tasks: Iterable[Task], count: int) -> Iterator[Made]:
    """Do `count` tasks at once, each with one thread of torch; yield what is made, in order.

    Between two groups nothing runs: whoever takes what was made has all cores.
    """
    rest = iter(tasks)
    with ThreadPoolExecutor(count) as pool:
        while group := list(itertools.islice(rest, count)):
            with process.one_thread(), warnings.catch_warnings():
                # Threads share these filters; who reads an image sets and resets them.
                warnings.simplefilter("ignore")
                made = list(pool.map(lambda task: _alone(work, task), group))
            yield from made


def _alone(work: Callable[[Task], Made], task: Task) -> Made:
    torch.set_num_threads(1)  # Each thread has its own number of OpenMP's.
    return work(task)
