"""What was measured is kept at once and told as a section of the page, with its goals."""

from pathlib import Path

import pytest

from benchmarks.speed import page, picture, turns
from benchmarks.speed.contests import OURS
from benchmarks.speed.figures import Spread
from benchmarks.speed.ours import computed_in, intervals
from benchmarks.speed.samples import Kept, Sample
from benchmarks.speed.work import Work

ABOUT = {"machine": "a machine, 2 cores", "quick": False}


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    made = Kept(tmp_path / "speed.json", ABOUT)
    for who, epochs, whole, correct, precision in (
        ("tutorial", [6.0, 5.0, 7.0], 25.0, [130, 140, 141], "fp32"),
        (OURS, [0.25] * 25, 4.0, [130, 139, 140, *[145] * 22], "bf16, cached"),
    ):
        made.add(
            "frozen", who,
            Sample(
                version=who, images=244, epochs_s=epochs, correct=correct, count=153,
                whole_s=whole, peak_mb=900.0, cpu_s=9.0, precision=precision, layout="contiguous",
            ),
        )  # fmt: skip
    return made


def test_a_row_tells_both_sides_ratio_goal_and_accuracy(kept: Kept) -> None:
    told = page.section(kept)

    assert (
        "| frozen MobileNetV2, as it is, 25 epochs, nothing cached "
        "| tutorial: 157.0 s (157.0 to 157.0)\\* | 4.00 s (4.00 to 4.00), bf16, cached "
        "| **39** (39 to 39) | ≥ 30 (stretch 45) |  "
        "| 0.922 (0.868 to 0.955), 0.915 after 3 epochs |"
    ) in told
    assert "| frozen | tutorial | 1 | 6.00 s (5.00 to 7.00) | 41 | 25.0 s (25.0 to 25.0) |" in told


def test_a_missed_goal_is_told(kept: Kept) -> None:
    kept.add("large", "tutorial", Sample(epochs_s=[9.0, 9.0], whole_s=20.0))
    kept.add("large", OURS, Sample(epochs_s=[9.0, 3.0], whole_s=20.0))

    assert "| **3.00** (3.00 to 3.00) | ≥ 10 **missed** |" in page.section(kept)


def test_the_picture_has_every_row(kept: Kept, tmp_path: Path) -> None:
    path = tmp_path / "speed.svg"

    picture.draw(page.found(kept), {}, path)

    assert "frozen MobileNetV2, as it is, 25 epochs, nothing cached" in path.read_text()


SECTION = f"## {page.TITLE}"
OTHER = "## Other\n\ntext\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (f"# Page\n\n{OTHER}", f"# Page\n\n{OTHER}\n{SECTION}\n"),
        (
            f"# Page\n\n{SECTION}\n\nold\n\n### Deeper\n\nold\n\n{OTHER}",
            f"# Page\n\n{SECTION}\n\n{OTHER}",
        ),
    ],
)
def test_the_section_takes_the_place_of_the_old_one(before: str, after: str) -> None:
    assert page.placed(before, f"{SECTION}\n") == after


def test_figures_are_told_in_their_unit() -> None:
    assert page.said(Spread(median=0.0001, least=0.00005, most=0.0002), "rate") == (
        "10,000 img/s (5,000 to 20,000)"
    )
    assert page.said(Spread(median=0.5, least=0.4, most=0.6), "start") == "500 ms (400 to 600)"
    assert page.said(Spread(median=11.44, least=9.0, most=12.0), "epoch") == "11.4 s (9.0 to 12.0)"


def test_what_was_kept_is_gone_on_with(kept: Kept, tmp_path: Path) -> None:
    kept.probed({"cores": 2.0})
    kept.ended("frozen")

    again = Kept(tmp_path / "speed.json", ABOUT)

    assert again.of("frozen", OURS) == kept.of("frozen", OURS)
    assert (again.whole, again.probes) == (["frozen"], {"cores": 2.0})


def test_what_another_machine_measured_does_not_count(kept: Kept, tmp_path: Path) -> None:
    assert not Kept(tmp_path / "speed.json", {**ABOUT, "machine": "another"}).of("frozen", OURS)


def test_a_contest_that_was_dropped_is_measured_again(kept: Kept) -> None:
    kept.ended("frozen")

    kept.drop("frozen")

    assert (kept.whole, kept.of("frozen", OURS)) == ([], [])


def test_a_tuned_peer_goes_on_with_its_best_worker_count(kept: Kept) -> None:
    for workers, seconds in ((0, 9.0), (1, 5.0), (2, 6.0)):
        each = Sample(epochs_s=[20.0, seconds], whole_s=30.0)
        kept.add("full", f"timm, tuned, workers: {workers}", each)

    first, second = (turns.taking_part(kept, "full", repeat) for repeat in (0, 1))

    assert [who for who in first if who.startswith("timm")] == [
        "timm", *(f"timm, tuned, workers: {workers}" for workers in (0, 1, 2)),
    ]  # fmt: skip
    assert [who for who in second if who.startswith("timm")] == ["timm", "timm, tuned, workers: 1"]


def test_an_epoch_lasts_from_the_end_of_the_one_before() -> None:
    assert intervals(10.0, [12.0, 13.5]) == [2.0, 1.5]


@pytest.mark.parametrize(
    ("features", "is_cached", "told"),
    [
        (None, True, "bf16"),
        ({"views": 0}, True, "bf16"),
        ({"views": 2}, False, "bf16, cached"),
        ({"views": 2}, True, "bf16, cached before"),
    ],
)  # fmt: skip
def test_a_cached_figure_says_so_where_the_plan_does(
    features: object, is_cached: bool, told: str
) -> None:
    assert computed_in({"precision": "bf16", "features": features}, is_cached=is_cached) == told


@pytest.mark.parametrize(("is_kept", "told"), [(True, "fp32, images cached"), (False, "fp32")])
def test_images_that_are_kept_are_told_too(is_kept: bool, told: str) -> None:
    plan = {"precision": "fp32", "features": None, "pictures": {"is_kept": is_kept}}
    assert computed_in(plan, is_cached=False) == told


def test_the_peers_task_and_our_job_are_of_the_same_work() -> None:
    work = Work(trains="after:5", augment="flip", epochs=3, batch=16, lr=0.01)

    task, job = work.task("timm", Path("/photos"), epochs=2, seed=7), work.job(
        Path("/photos"), seed=7, epochs=2
    )  # fmt: skip

    train = job["train"]
    assert (task.batch, task.lr, task.seed, task.epochs) == (
        train["batch_size"], train["optimizer"]["sgd"]["lr"], train["seed"], train["epochs"],
    )  # fmt: skip
    assert (job["data"]["augment"], train["trains"]) == (
        ["horizontal_flip"], ["head", "block:features[5:]"],
    )  # fmt: skip
