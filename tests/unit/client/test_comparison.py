"""What came of runs, pairs of them, and what is said."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftctl import statistics
from ftctl.comparison import pairs
from ftctl.comparison.comparison import compare
from ftctl.errors import BadInput
from tests.fakes.compared import epoch, made, score

BOTH, BASE, OTHER, NONE = "11", "10", "01", "00"


def judged(*answers):
    """Return two runs; each answer is of the first and of the second."""
    first, second = ("".join(column) for column in zip(*answers, strict=True))
    return made("a", right=first), made("b", right=second)


def test_a_report_s_table_holds_counts_and_intervals():
    better = made("e5", epochs=[epoch(1, 146), epoch(2, 147)])
    compared = compare([made("e0"), better])

    assert compared.result("best_accuracy").shown == ("94.1", "96.1")
    assert compared.result("best_accuracy").best == (1,)
    assert compared.result("best_accuracy_low").shown == ("89.2–96.9", "91.7–98.2")
    assert compared.result("best_correct").shown == ("144/153", "147/153")
    assert compared.result("best_epoch").values == (2, 2)
    assert compared.result("last_accuracy").shown == ("90.8", "96.1")
    assert compared.result("overfit_drop").shown == ("3.3", "0.0")


def test_times_memory_and_parameters():
    compared = compare([made("a"), made("b", attempts=[])])

    assert compared.result("seconds_to_best").values == (4.0, 4.0)
    assert compared.result("seconds").shown == ("32s", "–")
    assert compared.result("parameters").shown == ("2,226,434", "2,226,434")
    assert compared.result("parameters_trained").values == (2562, 2562)
    assert compared.result("memory_bytes").values == (400_000_003, 400_000_003)
    assert compared.result("epochs").shown == ("3", "3")


def test_the_wall_time_is_that_of_all_attempts_and_of_none_that_goes_on():
    ended = {"start_time": "2026-01-01T10:00:00Z", "end_time": "2026-01-01T10:00:10Z"}
    later = {"start_time": "2026-01-01T11:00:00Z", "end_time": "2026-01-01T11:00:20Z"}
    on = {"start_time": "2026-01-01T12:00:00Z", "end_time": None}

    compared = compare([made("a", attempts=[ended, later]), made("b", attempts=[ended, on])])

    assert compared.result("seconds").values == (30.0, None)


def test_of_equal_accuracies_the_first_epoch_is_best_and_an_evaluation_before_training_is_none():
    first = {**epoch(0, 150), "train": None, "lrs": []}
    compared = compare([made("a", epochs=[first, epoch(1, 140), epoch(2, 140)]), made("b")])

    assert compared.result("best_epoch").values[0] == 1
    assert compared.result("epochs").values[0] == 2


def test_a_run_that_stopped_says_of_how_many_epochs():
    compared = compare([made("a", plan={"epochs": 10}), made("b")])

    assert compared.result("epochs").shown == ("3 of 10", "3")


def test_repeats_have_their_mean_and_a_word_about_the_best_of_them():
    spread = {"accuracies": [0.9, 0.92, 0.94], "mean": 0.92, "deviation": 0.02,
              "low": 0.87, "high": 0.97}  # fmt: skip
    several = made(
        "thrice", recipe={"train.repeats": 3}, plan={"repeats": 3},
        epochs=[epoch(number, 140 + number, repeat=number) for number in (1, 2, 3)],
        outcome={"spread": spread},
    )  # fmt: skip

    compared = compare([made("once"), several])

    assert compared.result("mean_accuracy").shown == ("–", "92.0 ± 2.0 (87.0–97.0), 3 runs")
    assert compared.result("seconds_to_best").values == (4.0, 2.0)
    assert "thrice: its best is the best of 3 repeats, which favours it" in compared.notes()
    assert compared.pairs[0].is_repeat


def test_loss_noise_is_that_of_each_repeat_and_of_none_across_them():
    losses = [1.0, 2.0, 1.0, 1.0, 2.0]
    epochs = [
        epoch(5 * (repeat - 1) + place + 1, 140, repeat=repeat, loss=loss)
        for repeat in (1, 2)
        for place, loss in enumerate(losses)
    ]

    compared = compare([made("a", epochs=epochs), made("b")])

    assert compared.result("val_loss_noise").values == (statistics.noise(losses), None)


def test_what_the_test_images_said_is_a_row_where_there_were_any():
    compared = compare([
        made("a", evaluations=[{"split": "test", "score": score(90, 100)}]), made("b")
    ])  # fmt: skip

    assert compared.result("test_accuracy").shown == ("90.0 (82.6–94.5)", "–")
    with pytest.raises(KeyError):
        compare([made("a"), made("b")]).result("test_accuracy")


def test_stages_say_how_much_trains_in_each():
    stages = [
        {"epochs": 1, "first_epoch": 1, "parameters_trained": 2562},
        {"epochs": 2, "first_epoch": 2, "parameters_trained": 2_226_434},
    ]

    for stage, size in zip(stages, (5_000, 90_000_000), strict=True):
        stage["activation_bytes"] = size
    compared = compare([made("a", plan={"stages": stages}), made("b")])

    assert compared.result("activation_bytes").shown == ("90 MB", "–")
    assert compared.result("parameters_trained").shown == ("2,562 → 2,226,434", "2,562")


# --- pairs ------------------------------------------------------------------------------------


def test_mcnemar_counts_the_images_that_one_of_two_judged_rightly():
    (pair,) = pairs.pairs(*_apart(judged(*[BOTH] * 90, *[BASE] * 2, *[OTHER] * 7, NONE)))

    test = pair.mcnemar
    assert (test.images, test.both_right, test.only_baseline, test.only_run) == (100, 90, 2, 7)
    assert test.both_wrong == 1
    assert test.p == statistics.mcnemar(2, 7)
    assert test.mid_p == statistics.mcnemar_mid_p(2, 7)
    assert test.difference == pytest.approx(0.05)


@given(st.lists(st.sampled_from([BOTH, BASE, OTHER, NONE]), min_size=1, max_size=60))
def test_mcnemar_depends_on_no_order_and_adds_up(answers):
    first, second = judged(*answers)

    (pair,) = pairs.pairs(first, [second])
    (turned,) = pairs.pairs(second, [first])

    test, back = pair.mcnemar, turned.mcnemar
    assert test.p == back.p
    assert test.difference == -back.difference
    assert test.both_right + test.only_baseline + test.only_run + test.both_wrong == len(answers)
    assert test.only_baseline == answers.count(BASE)


def test_several_tests_are_adjusted_for_one_another():
    base = made("a", right="1" * 50 + "0" * 10)
    others = [made("b", right="1" * 60), made("c", right="1" * 51 + "0" * 9)]

    found = [pair.mcnemar for pair in pairs.pairs(base, others)]

    assert [test.p_holm for test in found] == statistics.holm([test.p for test in found])
    assert found[0].p_holm == pytest.approx(2 * found[0].p)


def test_images_of_the_same_name_in_two_classes_or_twice_in_one_are_told_apart():
    first, second = made("a", right="110"), made("b", right="100")
    for run in (first, second):
        object.__setattr__(run.verdicts, "images", ("x.jpg", "x.jpg", "x.jpg"))

    (pair,) = pairs.pairs(first, [second])

    assert (pair.mcnemar.images, pair.mcnemar.only_baseline) == (3, 1)


def test_other_images_are_no_test_and_say_why():
    (pair,) = pairs.pairs(made("a", right="111"), [made("b", right="1111")])

    assert pair.mcnemar is None
    assert pair.why_not == (
        "they were validated on other images: 3 of 3 and 4 have the same name and class"
    )


def test_runs_without_verdicts_say_why():
    running = made("b", silence="is not done and has no verdicts yet")

    compared = compare([made("a", right="1"), running, made("c", right="1")])

    assert "b: no McNemar test, for b is not done and has no verdicts yet" in compared.notes()
    assert compared.pairs[1].mcnemar is not None
    assert compared.pairs[1].mcnemar.p_holm == 1.0


# --- who is compared --------------------------------------------------------------------------


def test_the_baseline_stands_first_and_may_be_named():
    runs = [made("a"), made("b"), made("c")]

    assert compare(runs).labels == ("a", "b", "c")
    assert compare(runs, baseline="b").labels == ("b", "a", "c")
    assert compare(runs, baseline=runs[2].id[:6]).labels == ("c", "a", "b")


def test_jobs_of_one_name_are_told_apart_by_their_ids():
    runs = [made("a", id="11111111" + "0" * 24), made("a", id="22222222" + "0" * 24), made("b")]

    assert compare(runs).labels == ("a (11111111)", "a (22222222)", "b")


@pytest.mark.parametrize(
    ("runs", "baseline", "told"),
    [
        ([], "", "nothing cannot be compared; name at least two jobs or exported files"),
        ([made("a")], "", "a alone cannot be compared; name at least two jobs or exported files"),
        ([made("a"), made("a")], "", "a (61000000) is there twice; name each job once"),
        ([made("a"), made("b")], "c", "the baseline c is not among what is compared: a, b"),
        (
            [made(f"j{place}") for place in range(33)], "",
            "at most 32 jobs are compared at a time, not 33",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_compared_is_told(runs, baseline, told):
    with pytest.raises(BadInput) as error:
        compare(runs, baseline=baseline)

    assert str(error.value) == told


# --- what is said -----------------------------------------------------------------------------


def test_notes_say_what_is_confounded_and_what_is_under_way():
    compared = compare([
        made("a"),
        made("b", recipe={"train.epochs": 9, "train.batch_size": 8}),
        made("c", recipe={"train.epochs": 9, "train.seed": 1}, state="running", epochs=[]),
        made("d", recipe={"train.seed": 1}, state="failed"),
        made("e", outcome=None, state="cancelled"),
    ])  # fmt: skip

    assert compared.notes() == [
        "19 settings alike",
        "c is under way (running, no epoch has ended yet): its figures may change",
        "d failed: its figures are those until then",
        "e was cancelled: its figures are those until then",
        "b differs in 2 settings, confounded: train.epochs, train.batch_size",
        "c differs in one setting, beside the seed: train.epochs",
        "d repeats a: only the seed differs",
        "e and a have the same settings",
        "b, c, d, e: no McNemar test, for a left no table of verdicts (table/verdicts)",
    ]


def test_machines_that_differ_are_named():
    compared = compare([
        made("a"), made("b", plan={"device": "cuda", "environment.accelerator": "H100"})
    ])  # fmt: skip

    assert compared.machine == {"device": ("cpu", "cuda")}
    assert (
        "the machines differ in device (cpu / cuda): times are not to be compared, digits may "
        "differ"
    ) in compared.notes()


def test_a_comparison_shows_itself_as_text_and_as_html():
    compared = compare([made("a<b", right="1100"), made("c", right="1111")])

    text, page = repr(compared), compared._repr_html_()

    assert "best accuracy %" in text
    assert "a&lt;b" in page
    assert "a<b" not in page
    assert "McNemar" in page


def _apart(two):
    return two[0], [two[1]]
