"""Samples become figures: extrapolated, compared with the best, in the right direction."""

from pathlib import Path

import pytest

from benchmarks.speed import figures, floors
from benchmarks.speed.contests import ALONE, CONTESTS, FP32, OURS, Ours, Peer
from benchmarks.speed.figures import Spread
from benchmarks.speed.goals import GOALS
from benchmarks.speed.samples import Kept, Sample


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(tmp_path / "speed.json", {"machine": "a machine", "quick": False})


def sample(
    *epochs: float, whole: float = 0.0, correct: list[int] | None = None, memory: float = 0.0
) -> Sample:
    return Sample(
        epochs_s=list(epochs), whole_s=whole, correct=correct or [], count=100, images=200,
        peak_mb=memory, precision="fp32",
    )  # fmt: skip


def test_a_run_of_fewer_epochs_is_extrapolated_by_its_median_epoch() -> None:
    assert sample(9.0, 5.0, 6.0, whole=25.0).whole_of(25) == 25.0 + 22 * 6.0


def test_a_whole_run_is_taken_as_it_is() -> None:
    assert sample(1.0, 2.0, whole=4.0).whole_of(2) == 4.0


def test_a_spread_has_median_least_and_most() -> None:
    assert Spread.of([3.0, 1.0, 2.0]) == Spread(median=2.0, least=1.0, most=3.0)


def test_a_ratio_goes_as_far_as_both_spreads_allow() -> None:
    theirs, ours = Spread.of([10.0, 12.0, 15.0]), Spread.of([2.0, 3.0, 5.0])

    assert theirs.over(ours) == Spread(median=4.0, least=2.0, most=7.5)


def test_the_best_of_the_quick_starts_is_the_rival(kept: Kept) -> None:
    for peer, seconds in (("tutorial", 11.0), ("lightning", 10.0), ("timm", 12.0)):
        kept.add("full", peer, sample(seconds, seconds))
    kept.add("full", "timm, tuned, workers: 1", sample(4.0, 4.0))
    kept.add("full", OURS, sample(5.0, 5.0, 5.0))

    row = figures.figure(kept, GOALS["full"])

    assert row is not None
    assert (row.rival, row.ratio.median, row.holds) == ("lightning", 2.0, True)


def test_of_tuned_peers_only_worker_counts_that_had_all_turns_are_rivals(kept: Kept) -> None:
    kept.add("full", "timm, tuned, workers: 0", sample(3.0, 3.0))
    for _ in range(2):
        kept.add("full", "timm, tuned, workers: 1", sample(4.0, 4.0))
    kept.add("full", OURS, sample(2.0, 2.0))

    row = figures.figure(kept, GOALS["full-tuned"])

    assert row is not None
    assert (row.rival, row.ratio.median) == ("timm, tuned, workers: 1", 2.0)


def test_a_row_without_ours_has_no_figure_yet(kept: Kept) -> None:
    kept.add("full", "tutorial", sample(11.0))

    assert figures.figure(kept, GOALS["full"]) is None


def test_the_daemon_is_compared_the_other_way_round(kept: Kept) -> None:
    kept.add("daemon", ALONE, sample(12.0, 10.0))
    kept.add("daemon", FP32, sample(11.0, 10.2))

    row = figures.figure(kept, GOALS["daemon"])

    assert row is not None
    assert row.ratio.median == pytest.approx(1.02)
    assert not row.holds


def test_memory_has_to_be_less(kept: Kept) -> None:
    kept.add("memory", "tutorial, 2 workers", sample(10.0, memory=1000.0))
    kept.add("memory", OURS, sample(5.0, memory=700.0))

    row = figures.figure(kept, GOALS["memory"])

    assert row is not None
    assert (row.ratio.median, row.holds) == (0.7, True)


def test_the_second_epoch_leaves_the_first_out(kept: Kept) -> None:
    kept.add("large", "tutorial", sample(30.0, 20.0))
    kept.add("large", OURS, sample(25.0, 1.0, 1.0, 1.0))

    row = figures.figure(kept, GOALS["large"])

    assert row is not None
    assert row.ratio.median == 20.0


def test_accuracy_is_compared_after_as_many_epochs() -> None:
    told = figures.accuracy(
        [sample(1.0, 1.0, correct=[70, 80])], [sample(1.0, 1.0, 1.0, correct=[60, 78, 99])]
    )

    assert told is not None
    assert (told.epochs, told.theirs, told.ours, told.is_as_good) == (2, 80, 78, True)


def test_a_row_that_is_fast_and_worse_does_not_hold(kept: Kept) -> None:
    kept.add("full", "tutorial", sample(10.0, correct=[90]))
    kept.add("full", OURS, sample(1.0, correct=[50]))

    row = figures.figure(kept, GOALS["full"])

    assert row is not None
    assert row.accuracy is not None
    assert row.accuracy.interval == pytest.approx((0.826, 0.945), abs=5e-4)
    assert not row.holds


def test_every_row_names_contestants_that_there_are() -> None:
    for name, goal in GOALS.items():
        contest = CONTESTS[goal.contest]
        again = {turn.again for turn in contest.turns.values() if isinstance(turn, Ours)}
        assert goal.ours in {*contest.turns, *again}, name
        if not isinstance(goal.rivals, str):
            assert set(goal.rivals) <= set(contest.turns), name


def test_every_peer_of_a_second_epoch_has_one() -> None:
    for goal in GOALS.values():
        if goal.measure == "second epoch":
            turns = CONTESTS[goal.contest].turns.values()
            assert all(turn.epochs > 1 for turn in turns if isinstance(turn, Peer | Ours))


def test_a_floor_is_the_sum_of_its_parts(kept: Kept) -> None:
    kept.add("frozen", "tutorial", sample(8.0, 8.0, 8.0, whole=30.0))
    kept.add("frozen", OURS, sample(*[0.5] * 25, whole=20.0))
    row = figures.figure(kept, GOALS["frozen-cold"])
    assert row is not None
    probes = {
        "cores": 2.0, "decode ants-bees": 0.01, "forward full fp32": 0.01,
        "forward full bf16": 0.005, "head step": 0.001,
    }  # fmt: skip

    floor = floors.floor(probes, "frozen-cold", row)

    assert floor is not None
    # 300 images decoded by two cores and seen once in bf16; 25 epochs of 50 batches of 4.
    assert floor.value == pytest.approx(300 * (0.005 + 0.005) + 25 * 50 * 0.001)
    assert floor.ratio(row) == pytest.approx((30.0 + 22 * 8.0) / floor.value)


def test_every_row_but_the_daemons_has_a_floor() -> None:
    assert set(GOALS) - set(floors.ROWS) == {"daemon"}
