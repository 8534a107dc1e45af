"""The order of an epoch, and how it falls into batches."""

import numpy as np
import pytest

from fttrain.data.order import batches, epoch_order


@pytest.mark.parametrize("n", [1, 2, 7, 1000])
def test_every_image_is_seen_once(n: int) -> None:
    order = epoch_order(n, seed=3, epoch=5)

    assert order.dtype == np.int64
    np.testing.assert_array_equal(np.sort(order), np.arange(n))


def test_the_order_depends_on_seed_and_epoch_alone() -> None:
    np.random.seed(0)
    first = epoch_order(100, seed=3, epoch=5)
    np.random.seed(1)

    np.testing.assert_array_equal(epoch_order(100, seed=3, epoch=5), first)
    for seed, epoch in [(3, 6), (4, 5), (5, 3)]:
        assert not np.array_equal(epoch_order(100, seed=seed, epoch=epoch), first)


def test_the_order_is_the_same_in_every_release() -> None:
    assert epoch_order(8, seed=0, epoch=1).tolist() == [0, 1, 5, 4, 6, 2, 3, 7]
    assert epoch_order(3, seed=2**63 - 1, epoch=10_000).tolist() == [1, 0, 2]


def test_all_orders_are_equally_likely() -> None:
    orders = [tuple(epoch_order(3, seed=seed, epoch=1)) for seed in range(3000)]

    _, seen = np.unique(orders, axis=0, return_counts=True)
    assert len(seen) == 6
    # Chi-squared of 5 degrees of freedom lies above 20.5 once in a thousand times.
    assert ((seen - 500) ** 2 / 500).sum() < 20.5


def test_batches_cover_the_order_and_the_last_may_be_short() -> None:
    cut = batches(np.arange(10), 4, False)

    assert [batch.tolist() for batch in cut] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


@pytest.mark.parametrize(
    ("n", "size", "lengths"),
    [(9, 4, [4, 5]), (8, 4, [4, 4]), (10, 4, [4, 4, 2]), (1, 4, [1]), (3, 1, [1] * 3), (0, 4, [])],
)
def test_a_last_batch_of_one_joins_the_one_before(n: int, size: int, lengths: list[int]) -> None:
    cut = batches(np.arange(n), size, True)

    assert [len(batch) for batch in cut] == lengths
    assert [i for batch in cut for i in batch] == list(range(n))


def test_a_last_batch_of_one_stays_where_it_may() -> None:
    assert [len(batch) for batch in batches(np.arange(9), 4, False)] == [4, 4, 1]
