"""examples/README.md tells what three reports said and what we got, and nothing else."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.gallery import kept, page
from benchmarks.gallery.kept import Result
from benchmarks.gallery.rows import S2, STUDIES
from benchmarks.gallery.runs import runs

NAMES_OF_S2 = {
    "pretrained_resnet-no-augm", "pretrained-resnet", "pretrained-resnet_no_lr_decay",
    "pretrained-resnet-more-augm", "pretrained-resnet-augm-2", "freezed-resnet", "freezed-resnet-1",
    "freezed-resnet50",
}  # fmt: skip


def result(right: str, **more: object) -> Result:
    known = Result(
        recipe="0123", file="s2/pretrained-resnet.yaml", photos="ants-bees",
        overrides={"name": "tried", "data.folder": None, "data.preprocess": {"crop": 160}},
        measured="2026-01-02", machine="a machine", train=244, val=153, epochs=25, best_epoch=9,
        correct=140, accuracy=0.915, low=0.86, high=0.949, last=0.9, course=(0.9, 0.915),
        parameters=2226434, parameters_trained=2562, activation_bytes=3 * 2**20,
        memory_bytes=700 * 2**20, macs=160_000_000, right=right, seconds=100.0, share=0.5,
    )  # fmt: skip
    return replace(known, **more)  # type: ignore[arg-type]


def verdicts(path: Path, told: dict[str, bool]) -> str:
    lines = [f"{image},a,{'a' if right else 'b'},0.5" for image, right in told.items()]
    path.write_text("\n".join(["image,label,predicted,confidence", *lines]) + "\n")
    return kept.bits(path)


def test_every_run_has_a_result_of_the_recipe_as_it_is_now() -> None:
    assert sorted(kept.kept(runs())) == sorted(runs())


def test_the_page_says_what_was_measured() -> None:
    assert page.PAGE.read_text() == page.page(kept.kept(runs()))


def test_every_file_has_a_row_and_every_row_a_file() -> None:
    told = [row.file for study in STUDIES for row in study.rows]

    assert sorted(told) == page.files()


def test_every_run_is_of_a_row_and_ran_the_file_that_it_is_told_with() -> None:
    rows = {name: row.file for study in STUDIES for row in study.rows for name in row.runs}

    assert sorted(rows) == sorted(runs())
    # The cars of separate lr are the table's own row, which the comparison shares.
    assert {name for name, run in runs().items() if rows[name] != run.file} == {
        "cars-separate-lr-as-run"
    }


def test_the_files_of_the_first_report_bear_its_own_names() -> None:
    assert {Path(row.file).stem for row in S2.rows} == NAMES_OF_S2


def test_every_result_is_of_three_epochs_or_more() -> None:
    assert [name for name, one in kept.kept(runs()).items() if one.epochs < 3] == []


def test_who_alone_is_right_is_counted_by_the_names_of_images(tmp_path: Path) -> None:
    first = verdicts(tmp_path / "a.csv", {"x": False, "y": True, "z": True, "v": False})
    second = verdicts(tmp_path / "b.csv", {"v": True, "x": True, "y": True, "z": False})

    assert kept.disagreement(first, second) == (1, 2)
    assert kept.disagreement(first, first) == (0, 0)


def test_without_a_table_nothing_is_said_of_a_difference(tmp_path: Path) -> None:
    assert kept.bits(tmp_path / "none.csv") == ""
    assert kept.disagreement("", "1f") is None


@pytest.mark.parametrize(
    ("counts", "word"), [((4, 8), "noise: +0.026, 8 : 4, p = 0.39"), ((0, 0), "noise")]
)
def test_a_difference_that_chance_makes_is_called_noise(counts: tuple[int, int], word: str) -> None:
    ones = "1" * 153
    base = result(f"{int('1' + '0' * counts[1] + '1' * (153 - counts[1]), 2):x}")
    other_right = "1" * counts[1] + "0" * counts[0] + ones[: 153 - sum(counts)]
    other = result(f"{int('1' + other_right, 2):x}", accuracy=0.915 + 4 / 153)

    told = page.page({"pretrained-resnet": base, "freezed-resnet": other})

    assert f"| {word}" in told
    assert "| the baseline |" in told


def test_what_was_changed_of_a_file_is_told_as_it_is_typed() -> None:
    told = page.page({"pretrained-resnet": result("")})

    assert "Changed of the files for ants and bees: `data.folder=null`, " in told
    assert "`data.preprocess.crop=160`." in told
    assert "| 2,562 of 2.23 M | 3 MiB | 700 MiB | 160 M |" in told
