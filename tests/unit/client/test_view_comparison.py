"""A comparison in terminals of several widths, as Markdown and as CSV."""

import csv
import io

import pytest

from ftctl.comparison.comparison import compare
from ftctl.view import comparison as view
from ftctl.view import comparisonfile
from tests.fakes.compared import epoch, made
from tests.fakes.views import drawn, terminal

CHANGES = [
    {}, {"train.batch_size": 16}, {"train.optimizer.sgd.lr": 0.01}, {"train.trains": ["head"]},
    {"train.epochs": 9, "train.seed": 2}, {"train.schedule": {"step": {"every": 7, "gamma": 0.1}}},
    {"data.augment": []}, {"train.seed": 7},
]  # fmt: skip


def runs(count):
    return [
        made(
            f"s2-e{place}-a-name", recipe=changes,
            epochs=[epoch(1, 130 + place), epoch(2, 140 + place)], right="1" * 140 + "0" * 13,
        )
        for place, changes in enumerate(CHANGES[:count])
    ]  # fmt: skip


def shown(count, width):
    return drawn(view.lines(compare(runs(count)), terminal(width)), width).splitlines()


@pytest.mark.parametrize("width", [60, 80, 120, 160])
@pytest.mark.parametrize("count", [2, 4, 8])
def test_nothing_is_wider_than_the_terminal_and_nothing_of_the_figures_is_cut(count, width):
    lines = shown(count, width)

    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    for run in runs(count):
        assert run.label in text
    for figure in ("91.5", "140/153", "2,226,434", "32s", "400 MB"):
        assert figure in text


def test_two_jobs_stand_as_columns():
    lines = shown(2, 80)

    assert lines[:6] == [
        "                      s2-e0-a-name  s2-e1-a-name",
        "train.batch_size      4             16",
        "────────────────────────────────────────────────",
        "best accuracy %       91.5          92.2 ★",
        "95 % (Wilson)         86.0–95.0     86.8–95.5",
        "right of all          140/153       141/153",
    ]
    assert lines[-8:] == [
        "",
        "21 settings alike",
        "s2-e1-a-name differs in one setting: train.batch_size",
        "",
        "McNemar's test against s2-e0-a-name on the same 153 validation images, exact,",
        "  two-sided",
        "run           only it  only base  points  p  at 0.05",
        "s2-e1-a-name        0          0    +0.0  1  not shown",
    ]


def test_eight_jobs_stand_as_rows_in_blocks():
    lines = shown(8, 80)

    assert lines[0].split() == ["augment", "seed", "epochs", "batch_size", "trains", "lr"]
    assert lines[9:11] == ["", "              schedule"]
    assert sum(line.startswith("s2-e7-a-name ") for line in lines) == 6
    assert "s2-e4-a-name differs in one setting, beside the seed: train.epochs" in lines
    assert "s2-e7-a-name repeats s2-e0-a-name: only the seed differs" in lines


def test_jobs_that_are_alike_have_no_rows_of_settings():
    lines = drawn(view.lines(compare([made("a"), made("b")]), terminal(80)), 80).splitlines()

    assert lines[1].startswith("best accuracy %")
    assert "b and a have the same settings" in lines


def test_names_of_others_draw_nothing_on_the_terminal():
    bad = made("a\x1b[31m\nb")

    text = drawn(view.lines(compare([bad, made("c")]), terminal(80)), 80)

    assert "\x1b" not in text
    assert "a [31m b" in text


def test_a_confounded_pair_is_explained():
    compared = compare([made("a"), made("b", recipe={"train.epochs": 9, "train.batch_size": 8})])

    text = drawn(view.lines(compared, terminal(120)), 120)

    assert "b differs in 2 settings, confounded: train.epochs, train.batch_size" in text
    assert "so what came of it cannot be laid to one of them" in text


def test_a_setting_that_has_no_room_in_the_table_is_told_below_it():
    stages = [
        {"epochs": 1, "trains": ["head"]},
        {"epochs": 2, "trains": ["all"], "schedule": {"cosine": {"by": "step"}}},
    ]
    staged = {"train.epochs": None, "train.stages": stages}
    compared = compare([made("plain"), made("staged", recipe=staged)])

    lines = drawn(view.lines(compared, terminal(80)), 80).splitlines()

    place = lines.index("train.stages")
    assert lines[place - 1 : place + 5] == [
        "",
        "train.stages",
        "plain: 3 epochs all (schedule constant)",
        "staged: 1 epoch head (schedule constant) → 2 epochs all (schedule cosine (by",
        "  step))",
        "",
    ]
    assert lines[1] == "train.stages          3 epochs all (sched…  1 epoch head (sched…"


def test_markdown_is_a_table_with_what_is_best_in_bold():
    text = comparisonfile.as_markdown(compare([made("a|b"), *runs(2)[1:]]))

    lines = text.splitlines()
    assert lines[:4] == [
        "|  | a\\|b | s2-e1-a-name |",
        "|---|---|---|",
        "| `train.batch_size` | 4 | 16 |",
        "| best accuracy % | **94.1** | 92.2 |",
    ]
    assert "- s2-e1-a-name differs in one setting: train.batch_size" in lines


def test_markdown_of_many_jobs_has_them_as_rows_and_the_tests_below():
    lines = comparisonfile.as_markdown(compare(runs(8))).splitlines()

    assert lines[0].startswith("|  | `augment` | `seed` | `epochs` |")
    assert lines[2].startswith("| s2-e0-a-name |")
    assert lines[11].startswith("|  | best % | 95 % | right |")
    assert any(line.startswith("| run | both right | only it | only base |") for line in lines)


def test_csv_has_a_line_per_job_at_full_precision():
    rows = list(csv.DictReader(io.StringIO(comparisonfile.as_csv(compare(runs(3))))))

    assert [row["run"] for row in rows] == ["s2-e0-a-name", "s2-e1-a-name", "s2-e2-a-name"]
    assert rows[1]["train.batch_size"] == "16"
    assert float(rows[1]["best_accuracy"]) == 141 / 153
    assert (rows[0]["settings_apart"], rows[1]["settings_apart"]) == ("", "1")
    assert (rows[0]["mcnemar_p"], rows[1]["mcnemar_p"]) == ("", "1.0")
