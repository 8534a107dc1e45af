"""What trainers in use have suffered from (R1 to R35), what reports had wrong (B1 to B11: see
blunders.py), and the tests that show it cannot be here.

`python -m tests.house.cases` prints the count and writes the tables of docs/reliability.md;
`--check` compares. A test is named FILE::NAME; `unproven` says what no test here can show.
"""

import ast
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.chaos import account
from tests.house import blunders
from tests.house.blunders import BLUNDERS, Blunder

CHECKOUT = Path(__file__).resolve().parents[2]
PAGE = CHECKOUT / "docs/reliability.md"
MOST_UNPROVEN = 3
UNIT = "tests/unit/trainer"


@dataclass(frozen=True, slots=True)
class Case:
    """A pain that users of trainers have reported."""

    pain: str
    here: str
    """What happens here instead."""
    tests: Sequence[str] = ()
    unproven: str = ""
    """Why no test shows it."""


CASES: Mapping[int, Case] = {
    1: Case(
        "frozen BatchNorm drifts",
        "frozen layers are in eval mode; their statistics stay bit for bit",
        [f"{UNIT}/test_loop.py::test_twenty_steps_equal_a_plain_loop_bit_for_bit",
         f"{UNIT}/words/test_words_training.py::"
         "test_frozen_statistics_stay_or_move_as_modes_of_plain_torch_have_it"],
    ),
    2: Case(
        "normalisation that is not the weights' own",
        "preprocessing comes with the weights; another one is noticed in the plan",
        [f"{UNIT}/test_plan.py::test_known_weights_bring_theirs_and_another_is_noticed",
         f"{UNIT}/test_data_view.py::"
         "test_real_photos_are_seen_as_the_weights_own_transforms_see_them"],
    ),
    3: Case(
        "classes sorted 1, 10, 2, or shifted in val and test",
        "natural order from train, all splits mapped by name, the list in the model",
        [f"{UNIT}/test_data_sources.py::test_classes_are_in_natural_order",
         f"{UNIT}/test_data_sources.py::test_classes_to_validate_on_are_mapped_by_name"],
    ),
    4: Case(
        "hidden files and empty class folders",
        "junk is left out and named; an empty class is a fault",
        [f"{UNIT}/test_data_sources.py::test_junk_is_left_out_and_named_once",
         f"{UNIT}/test_data_sources.py::test_empty_classes_are_faults_by_name"],
    ),
    5: Case(
        "a broken image ends a run after hours",
        "found before the start, left out by name, up to `max_bad`",
        [f"{UNIT}/test_data_audit.py::test_bad_images_are_left_out_by_name",
         f"{UNIT}/test_data_audit.py::test_few_bad_files_are_told_and_others_of_their_class_stand_in",
         f"{UNIT}/test_data_audit.py::test_a_run_with_too_many_bad_files_fails_with_their_names"],
    ),
    6: Case(
        "EXIF orientation ignored",
        "one decode path, which applies all eight",
        [f"{UNIT}/test_data_decode.py::test_exif_orientation_is_applied"],
    ),
    7: Case(
        "grey, alpha, palette, CMYK, 16 bits, animations",
        "all come out as upright RGB",
        [f"{UNIT}/test_data_odd_kinds.py::test_an_odd_image_comes_out_as_upright_rgb",
         f"{UNIT}/test_data_decode.py::test_sixteen_bits_are_scaled_not_clipped"],
    ),
    8: Case(
        "decompression bombs",
        "a limit of pixels, looked at before they are read",
        [f"{UNIT}/test_data_decode.py::test_a_decompression_bomb_is_refused",
         f"{UNIT}/test_data_decode.py::test_too_many_pixels_are_refused_before_they_are_read"],
    ),
    9: Case(
        "a last batch of one under BatchNorm; mixup of odd batches",
        "merged with the batch before it; mixing takes any size",
        [f"{UNIT}/test_plan.py::test_a_trailing_batch_of_one_is_merged_where_batch_norm_trains",
         f"{UNIT}/words/test_words_mixing.py::test_mixup_is_torchvisions_of_the_drawn_share"],
    ),
    10: Case(
        "/dev/shm too small; a loader process that is killed",
        "batches need no shared memory; a killed loader is an error, not a hang",
        [f"{UNIT}/test_room.py::test_loader_processes_need_no_room_in_shared_memory",
         f"{UNIT}/test_stream.py::"
         "test_a_killed_process_is_an_error_where_a_batch_is_due_not_a_hang"],
    ),
    11: Case(
        "loader processes that grow from epoch to epoch",
        "the index lies in numpy, nothing is copied on write",
        [f"{UNIT}/test_room.py::test_loader_processes_do_not_grow_from_epoch_to_epoch"],
    ),
    12: Case(
        "a fork after threads hangs; too many open files",
        "loaders are forked by what runs no operator; descriptors are given back",
        [f"{UNIT}/test_stream.py::"
         "test_real_photos_are_the_same_from_processes_after_parallel_operators",
         f"{UNIT}/test_stream.py::test_batches_leave_no_descriptors_behind"],
    ),
    13: Case(
        "the same augmentation in each loader or each epoch",
        "drawn by a counter hash of seed, epoch and image",
        [f"{UNIT}/test_everything_on.py::test_a_run_does_not_depend_on_who_loads_its_images",
         f"{UNIT}/test_stream.py::test_any_number_of_processes_makes_the_same_bytes"],
    ),
    14: Case(
        "a resume that is not exact: random numbers, order, amid an epoch",
        "killed at any moment, weights and figures end as those of an unbroken run, bit for bit",
        ["tests/chaos/test_trainer_kills.py::test_60_kills_of_the_trainer_change_no_bit",
         "tests/chaos/test_trainer_kills.py::test_what_a_checkpoint_lacks_is_seen"],
    ),
    15: Case(
        "a learning rate that is wrong after a resume",
        "a pure function of the step",
        [f"{UNIT}/words/test_words_schedules.py::test_a_schedule_is_torchs_also_after_a_resume"],
    ),
    16: Case(
        "a mean of weights that begins anew at a resume",
        "it lies in the checkpoint with its count, statistics included",
        [f"{UNIT}/words/test_words_training.py::"
         "test_a_checkpoint_goes_on_with_the_very_next_step"],
    ),
    17: Case(
        "checkpoints that are half written, or fill the disk",
        "written aside, with a digest of their own, the one before kept; no room pauses the job",
        [f"{UNIT}/words/test_words_checkpoint.py::"
         "test_a_damaged_checkpoint_is_told_and_the_one_before_is_used",
         "tests/chaos/test_disk.py::test_a_full_disk_pauses_the_job_and_room_lets_it_go_on"],
    ),
    18: Case(
        "weights that were downloaded in part",
        "written aside, checked by SHA-256, renamed; offline it says where to put the file",
        [f"{UNIT}/test_weights.py::test_a_download_is_there_whole_or_not_at_all",
         f"{UNIT}/test_weights.py::"
         "test_weights_that_cannot_be_downloaded_say_where_to_put_the_file"],
    ),
    19: Case(
        "memory that runs out, and leaks in a process that lives on",
        "each job has a process of its own; it goes on with smaller batches, and says so",
        ["tests/chaos/test_failures.py::test_refused_memory_halves_the_batches_until_they_fit",
         "tests/chaos/test_failures.py::"
         "test_a_worker_that_the_kernel_ends_for_want_of_memory_is_told_so"],
    ),
    20: Case(
        "memory that grows with the shapes of inputs",
        "a run brings a handful of shapes; frozen parts and evaluation run in one",
        [f"{UNIT}/test_room.py::test_a_net_sees_few_shapes_however_images_are_cropped"],
    ),
    21: Case(
        "more threads than cores",
        "cores and threads are set after the fork, by the devices that a job has",
        ["tests/integration/test_worker_environment.py::"
         "test_a_processor_in_two_gives_each_job_cores_of_its_own",
         f"{UNIT}/test_plan.py::test_threads_are_the_cores_except_for_tiny_images"],
    ),
    22: Case(
        "logging that slows small nets",
        "at most two records of steps in a second",
        [f"{UNIT}/test_journal.py::test_steps_are_gathered_for_half_a_second",
         "tests/chaos/test_watchers.py::test_a_trainer_trains_on_while_its_daemon_stands_still"],
    ),
    23: Case(
        "`eval()` forgotten, augmented validation, test data that is peeked at",
        "cannot be said in a recipe; test images are read once, at the end",
        [f"{UNIT}/test_loop.py::test_evaluation_counts_each_image_once_and_changes_nothing",
         f"{UNIT}/test_locked.py::test_no_test_image_is_opened_before_training_is_over",
         "tests/integration/test_test_lock.py::"
         "test_test_images_are_read_once_over_a_whole_life"],
    ),
    24: Case(
        "`zero_grad` forgotten",
        "the engine owns the loop: its steps are those of a plain one",
        [f"{UNIT}/test_loop.py::test_twenty_steps_equal_a_plain_loop_bit_for_bit",
         f"{UNIT}/test_loop.py::test_adamw_equals_a_plain_loop"],
    ),
    25: Case(
        "empty or overlapping groups of parameters",
        "faults of the plan, which prints the table of groups",
        [f"{UNIT}/test_groups.py::test_a_group_of_which_nothing_trains_is_a_fault",
         f"{UNIT}/test_groups.py::test_a_parameter_in_two_groups_is_a_fault",
         f"{UNIT}/test_groups.py::test_a_trained_parameter_in_no_group_is_a_fault"],
    ),
    26: Case(
        "weights that silently were not loaded",
        "an account of what is missing, unexpected or of another shape; a misfit is a fault",
        [f"{UNIT}/test_weights.py::test_weights_that_do_not_fit_are_a_short_account",
         f"{UNIT}/test_weights.py::test_weights_that_fit_but_for_the_head_load_all_the_rest"],
    ),
    27: Case(
        "a loss that is no number, for hours",
        "the run ends before the step, with step, rate and the checkpoint that is left",
        [f"{UNIT}/test_loop.py::test_a_loss_that_is_no_number_stops_before_the_step",
         f"{UNIT}/test_run_failures.py::"
         "test_a_loss_that_is_no_number_is_told_with_step_rate_and_checkpoint"],
    ),
    28: Case(
        "data that changes under a run",
        "a fingerprint at the plan, checked at each start; what goes amiss is named",
        [f"{UNIT}/test_run_failures.py::test_photos_that_changed_since_the_plan_are_not_trained_on",
         f"{UNIT}/test_run_failures.py::test_a_folder_that_went_since_the_plan_is_told",
         f"{UNIT}/test_run_failures.py::test_a_photo_that_is_damaged_within_is_named"],
    ),
    29: Case(
        "the same image in train and val",
        "found by digest, named, dropped or refused",
        [f"{UNIT}/test_data_audit.py::test_images_in_two_splits_are_counted_and_named",
         f"{UNIT}/test_data_audit.py::test_images_in_two_splits_can_be_refused"],
    ),
    30: Case(
        "imbalance that hides a failure",
        "recall of each class and balanced accuracy are always told",
        [f"{UNIT}/test_measures.py::test_every_measure_is_that_of_torchmetrics",
         "tests/unit/client/test_view_results.py::"
         "test_validation_and_test_are_told_with_the_recall_of_each_class"],
    ),
    31: Case(
        "`module.` before names; pickles that run code",
        "names are unwrapped; nothing but tensors is unpickled",
        [f"{UNIT}/test_weights.py::test_pickles_of_training_scripts_are_unwrapped",
         f"{UNIT}/test_weights.py::test_a_pickle_with_code_in_it_is_refused_and_not_run"],
    ),
    32: Case(
        "exports that break with versions and paths",
        "safetensors and JSON, read by ten lines of plain torch",
        [f"{UNIT}/test_artifact_export.py::test_ten_lines_of_plain_torch_can_read_it",
         f"{UNIT}/test_artifact_export.py::test_a_later_format_is_refused"],
    ),
    33: Case(
        "runs on a GPU that differ",
        "deterministic algorithms are on; an operator that has none is named in the log",
        unproven="no GPU was at hand; `tests/unit/trainer/test_cuda.py` holds the tests for one",
    ),
    34: Case(
        "a notebook or daemon that goes, and the logs with it",
        "the worker goes on, the next daemon takes it up, watchers resume by number",
        ["tests/integration/test_supervisor.py::"
         "test_a_worker_goes_on_without_its_daemon_and_the_next_one_takes_it_up",
         "tests/e2e/test_stream.py::test_a_late_watcher_and_one_that_resumes_get_the_same_records",
         "tests/chaos/test_daemon_kills.py::test_60_kills_of_the_daemon_while_20_jobs_wait"],
    ),
    35: Case(
        "a class that validation lacks",
        "splits are stratified; a class without images is a fault",
        [f"{UNIT}/test_data_split.py::"
         "test_each_class_has_its_share_to_within_one_and_no_file_is_in_two",
         f"{UNIT}/test_data_sources.py::test_a_class_that_val_lacks_is_a_fault_by_name"],
    ),
}  # fmt: skip


def main(arguments: Sequence[str]) -> int:
    """Write or check the table of the page; return 1 where something is amiss."""
    amiss = list(faults())
    page = _filled(_filled(PAGE.read_text(), "cases", table()), "figures", account.table())
    page = _filled(page, "faults of reports", blunder_table())
    if "--check" in arguments and page != PAGE.read_text():
        amiss.append(f"{PAGE.relative_to(CHECKOUT)} is stale: make fmt")
    elif "--check" not in arguments:
        PAGE.write_text(page)
    print("\n".join([count(), *amiss]))
    return 1 if amiss else 0


def _filled(page: str, name: str, content: str) -> str:
    """Put a table where the page has a place for it."""
    before, rest = page.split(f"<!-- {name} -->\n")
    after = rest.split(f"<!-- end of {name} -->")[1]
    return f"{before}<!-- {name} -->\n{content}<!-- end of {name} -->{after}"


def count() -> str:
    """Return how many cases have tests."""
    proven = [case for case in CASES.values() if case.tests]
    tests = {test for case in proven for test in case.tests}
    unproven = len(CASES) - len(proven)
    return (
        f"cases: {len(CASES)}, with tests: {len(proven)} ({len(tests)}), with a reason: {unproven}"
    )


def faults() -> list[str]:
    """Return what is wrong with the list: cases that are missing, tests that are not there."""
    missing = [f"R{number} is missing" for number in range(1, 36) if number not in CASES]
    named = {test: number for number, case in CASES.items() for test in case.tests}
    gone = [f"R{number}: no test {test}" for test, number in named.items() if not _is_there(test)]
    unproven = [number for number, case in CASES.items() if not case.tests]
    gone += [f"B{n}: no test {b.test}" for n, b in BLUNDERS.items() if not _is_shown(b)]
    many = [f"without a test: R{number}" for number in unproven if len(unproven) > MOST_UNPROVEN]
    return missing + gone + many


def table() -> str:
    """Return the table as Markdown."""
    lines = ["| | what others suffered from | here | shown by |", "|---|---|---|---|"]
    for number, case in sorted(CASES.items()):
        tests = "<br>".join(_link(test) for test in case.tests) or f"no test: {case.unproven}"
        lines.append(f"| R{number} | {case.pain} | {case.here} | {tests} |")
    return "\n".join(lines) + f"\n\n{count()}.\n"


def blunder_table() -> str:
    """Return the faults of reports as Markdown."""
    lines = ["| | what a report had wrong | is | here | shown by |", "|---|---|---|---|---|"]
    for number, each in BLUNDERS.items():
        test = _link(f"{blunders.FILE}::{each.test}") if each.test else "–"
        lines.append(f"| B{number} | {each.fault} | {each.fate} | {each.here} | {test} |")
    return "\n".join(lines) + "\n"


def _is_shown(blunder: Blunder) -> bool:
    """Tell whether a blunder has its test, or a fate that needs none."""
    if not blunder.test:
        return blunder.fate == "absent"
    return _is_there(f"{blunders.FILE}::{blunder.test}")


def _link(test: str) -> str:
    file, name = test.split("::")
    return f"[{name.removeprefix('test_').replace('_', ' ')}](../{file})"


def _is_there(test: str) -> bool:
    file, name = test.split("::")
    return name in _functions(CHECKOUT / file)


@cache
def _functions(file: Path) -> frozenset[str]:
    if not file.exists():
        return frozenset()
    nodes = ast.walk(ast.parse(file.read_text()))
    return frozenset(n.name for n in nodes if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
