"""Intervals, tests of pairs and noise, against scipy and against counting every case."""

from fractions import Fraction
from itertools import pairwise, product
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ftctl import statistics
from fttrain.score import wilson as of_the_engine


@st.composite
def shares(draw, most=5000):
    count = draw(st.integers(1, most))
    return draw(st.integers(0, count)), count


splits = st.tuples(st.integers(0, 60), st.integers(0, 60))


@given(shares())
def test_wilson_is_that_of_scipy_and_of_the_engine(share):
    correct, count = share

    low, high = statistics.wilson(correct, count)

    expected = stats.binomtest(correct, count).proportion_ci(0.95, method="wilson")
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert (low, high) == pytest.approx(of_the_engine(correct, count), abs=1e-12)
    assert 0 <= low <= correct / count <= high <= 1


def test_wilson_of_the_report_whose_conclusions_hung_on_eight_images():
    low, high = statistics.wilson(144, 153)

    assert (round(low, 3), round(high, 3)) == (0.892, 0.969)


@pytest.mark.parametrize(("correct", "count"), [(0, 0), (-1, 3), (4, 3)])
def test_what_is_no_share_is_refused(correct, count):
    with pytest.raises(ValueError, match=f"{correct} of {count} is no share"):
        statistics.wilson(correct, count)


@given(splits)
def test_mcnemar_is_the_binomial_test_of_scipy(split):
    first, second = split

    p = statistics.mcnemar(first, second)

    expected = stats.binomtest(first, first + second, 0.5).pvalue if first + second else 1.0
    assert p == pytest.approx(expected, rel=1e-12)
    assert p == statistics.mcnemar(second, first)


@pytest.mark.parametrize(("first", "second"), [(0, 0), (0, 5), (3, 1), (4, 4), (7, 2)])
def test_mcnemar_and_its_mid_p_count_every_way_in_which_pairs_may_fall(first, second):
    pairs = first + second
    uneven = abs(first - second)
    falls = [abs(2 * sum(way) - pairs) for way in product((0, 1), repeat=pairs)]
    as_uneven = Fraction(sum(fall >= uneven for fall in falls), len(falls))
    seen = Fraction(sum(fall == uneven for fall in falls), len(falls))

    assert statistics.mcnemar(first, second) == pytest.approx(float(as_uneven))
    if pairs:
        # Half of what was seen: of both tails, or of the middle where they meet.
        assert statistics.mcnemar_mid_p(first, second) == pytest.approx(float(as_uneven - seen / 2))


@given(splits)
def test_mid_p_is_below_the_exact_p_by_the_chance_of_what_was_seen(split):
    first, second = split
    pairs = first + second

    gap = statistics.mcnemar(first, second) - statistics.mcnemar_mid_p(first, second)

    point = comb(pairs, first) / 2**pairs
    expected = 0.0 if not pairs else point / 2 if first == second else point
    assert gap == pytest.approx(expected, abs=1e-12)


def test_mcnemar_of_very_many_pairs_is_still_a_number():
    assert statistics.mcnemar(4_000, 6_000) < 1e-80
    assert statistics.mcnemar(5_000, 5_001) == pytest.approx(1.0)


def test_a_negative_number_of_pairs_is_refused():
    with pytest.raises(ValueError, match="-1 and 2 are no numbers of pairs"):
        statistics.mcnemar(-1, 2)


def test_holm_on_an_example_by_hand():
    # Sorted: .01 x 4, .02 x 3, .03 x 2 = .06 again, .5 x 1.
    assert statistics.holm([0.03, 0.01, 0.5, 0.02]) == pytest.approx([0.06, 0.04, 0.5, 0.06])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_rejects_what_the_procedure_rejects_step_by_step(values):
    adjusted = statistics.holm(values)

    for level in (0.01, 0.05, 0.2):
        rejected = set()
        for rank, index in enumerate(sorted(range(len(values)), key=values.__getitem__)):
            # As the adjusted value is computed: a product, not a quotient.
            if (len(values) - rank) * values[index] > level:
                break
            rejected.add(index)
        assert {index for index, p in enumerate(adjusted) if p <= level} == rejected
    ordered = [p for _, p in sorted(zip(values, adjusted, strict=True))]
    assert all(one <= other for one, other in pairwise(ordered))
    assert all(p >= value for p, value in zip(adjusted, values, strict=True))


def test_noise_finds_the_deviation_of_what_was_added_to_a_course():
    draw = np.random.default_rng(0)
    course = 2.0 * np.exp(-np.arange(4000) / 900) + draw.normal(0, 0.05, 4000)

    assert statistics.noise(course.tolist()) == pytest.approx(0.05, rel=0.05)


def test_noise_is_nothing_on_a_straight_course_and_little_on_a_steep_one():
    assert statistics.noise([1.0, 0.9, 0.8, 0.7, 0.6]) == pytest.approx(0.0, abs=1e-15)
    steep = [2.3, 0.9, 0.5, 0.4, 0.36, 0.33, 0.31, 0.29, 0.28]

    assert statistics.noise(steep) < 0.03


def test_noise_by_hand():
    # Distances from the mean of the neighbours: 1, 0.5, 0.5; their median 0.5.
    told = statistics.noise([1.0, 2.0, 1.0, 1.0, 2.0])

    assert told == pytest.approx(1.4826022 * (2 / 3) ** 0.5 * 0.5)


@pytest.mark.parametrize(
    "losses", [[], [1.0], [1.0, 0.5, 0.4, 0.3], [1.0, 0.5, float("nan"), 0.3, 0.2]]
)
def test_noise_of_too_few_epochs_or_of_no_numbers_is_not_told(losses):
    assert statistics.noise(losses) is None
