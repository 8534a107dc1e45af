"""What becomes of a job whose memory ran out: smaller batches, and what differs is said."""

import json
from dataclasses import replace
from typing import Any

import pytest

from ftd.jobs.aftermath import eased_after
from ftd.jobs.model import Job, JobState, OutcomeReason
from fttrain.spec.plan import Plan
from tests.fakes.jobs import NOW, RECIPE, request
from tests.fakes.plans import make_plan

DEVICE, HOST = OutcomeReason.OUT_OF_MEMORY, OutcomeReason.HOST_OUT_OF_MEMORY
PARTED = "batches of 8 in passes of {} after memory ran out: sums are rounded otherwise"
NORMED = "batches of 8 in passes of {} after memory ran out: BatchNorm sees smaller batches"


def job(*, inexact: str = "", train: dict[str, Any] | None = None, **plan: Any) -> Job:
    """Return a job with batches of 8; `train` are more words of its recipe."""
    recipe = json.loads(RECIPE)
    recipe["train"] |= train or {}
    return Job(
        id="0f" * 16, number=1, request=request("a", recipe_json=json.dumps(recipe)),
        after_ids=(), references={}, state=JobState.RUNNING, create_time=NOW, inexact=inexact,
        plan_json=make_plan(batch_size=8, **plan).model_dump_json(),
    )  # fmt: skip


def sizes(eased: Job | None) -> tuple[int, int, int]:
    assert eased is not None
    plan = Plan.model_validate_json(eased.plan_json)
    return plan.batch_size, plan.micro_batch, plan.accumulate


@pytest.mark.parametrize(
    ("reason", "device"), [(DEVICE, "cuda"), (HOST, "cpu")]
)  # fmt: skip
def test_batches_are_computed_in_two_passes(reason: OutcomeReason, device: str) -> None:
    eased = eased_after(reason, job(device=device))

    assert sizes(eased) == (8, 4, 1)
    assert eased is not None
    assert eased.inexact == PARTED.format(4)


def test_again_and_again_and_only_the_last_is_said() -> None:
    first = eased_after(DEVICE, job(inexact="torch was 2.14, is 2.15", batch_norm_train=2))
    assert first is not None
    second = eased_after(DEVICE, first)

    assert sizes(second) == (8, 2, 1)
    assert second is not None
    assert second.inexact == f"torch was 2.14, is 2.15; {NORMED.format(2)}"


def test_one_image_alone_on_a_device_is_the_end() -> None:
    assert eased_after(DEVICE, job(micro_batch=1, chunk=1)) is None


def test_in_the_machines_memory_others_may_have_been_to_blame() -> None:
    alone = job(micro_batch=1, chunk=1)

    assert eased_after(HOST, alone) is alone


def test_smaller_batches_on_a_card_are_no_help_to_the_machine() -> None:
    on_card = job(device="cuda")

    assert eased_after(HOST, on_card) is on_card


@pytest.mark.parametrize("word", [{"out_of_memory": "never"}, {"resume": "exact"}])
def test_a_recipe_may_forbid_it(word: dict[str, str]) -> None:
    forbidden = job(train=word)

    assert eased_after(DEVICE, forbidden) is None
    assert eased_after(HOST, forbidden) is forbidden


def test_a_plan_of_another_version_is_left_as_it_is() -> None:
    strange = replace(job(), plan_json="{}")

    assert eased_after(DEVICE, strange) is None
    assert eased_after(HOST, strange) is strange


@pytest.mark.parametrize("reason", [OutcomeReason.CRASHED, OutcomeReason.STALLED])
def test_other_failures_change_nothing(reason: OutcomeReason) -> None:
    whole = replace(job(), plan_json="")

    assert eased_after(reason, whole) is whole
