"""What ails NVIDIA devices, as only a fake can show it."""

from typing import Any

import pynvml
import pytest
from structlog.testing import capture_logs

from ftd.devices import nvml
from tests.fakes.machines import (
    CRITICAL,
    four_cards,
    one_card,
    reticent,
    with_mig,
)
from tests.fakes.nvml import WHOLE_CARD

# --- what ails them ---------------------------------------------------------------------------


def test_a_card_that_falls_off_the_bus_has_a_fault_and_the_others_do_not() -> None:
    fake = four_cards()
    inventory = nvml.open_cards(fake)
    assert {sample.fault for sample in inventory.sample().values()} == {""}

    fake.cards[1].error = pynvml.NVML_ERROR_GPU_IS_LOST
    samples = inventory.sample()

    assert {device: sample.fault for device, sample in samples.items() if sample.fault} == {
        "gpu-3f2a9c1d": "has fallen off the bus"
    }
    assert samples["gpu-3f2a9c1d"].memory_used_bytes is None


def test_a_card_without_events_that_falls_off_the_bus_has_a_fault() -> None:
    fake = reticent()
    inventory = nvml.open_cards(fake)

    fake.cards[0].mute.clear()
    fake.cards[0].error = pynvml.NVML_ERROR_GPU_IS_LOST

    assert inventory.sample()["gpu-3f2a9c1d"].fault == "has fallen off the bus"


def test_an_instance_that_was_taken_away_has_a_fault_and_its_sibling_does_not() -> None:
    fake = with_mig()
    inventory = nvml.open_cards(fake)

    fake.cards[0].parts = (fake.cards[0].parts or [])[1:]

    assert [sample.fault for sample in inventory.sample().values()] == [
        "is gone: MIG was divided anew; restart ftd", "", "",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (pynvml.NVML_ERROR_RESET_REQUIRED, "GPU requires restart"),
        (pynvml.NVML_ERROR_UNKNOWN, "Unknown Error"),
        (pynvml.NVML_ERROR_IRQ_ISSUE, "Interrupt Request Issue"),
    ],
)
def test_an_error_of_the_driver_is_a_fault(error: int, words: str) -> None:
    fake = one_card()
    inventory = nvml.open_cards(fake)

    fake.cards[0].error = error

    fault = inventory.sample()["gpu-3f2a9c1d"].fault
    assert fault == f"does not answer its driver ({words})"


@pytest.mark.parametrize("xid", CRITICAL)
def test_a_critical_xid_keeps_a_card_from_jobs_for_good(xid: int) -> None:
    fake = one_card()
    inventory = nvml.open_cards(fake)
    fake.cards[0].events = [(xid, WHOLE_CARD)]

    faults = [inventory.sample()["gpu-3f2a9c1d"].fault for _ in range(2)]

    assert faults == [f"reported XID {xid}; takes jobs once ftd is restarted"] * 2


def test_xids_of_applications_are_counted_and_harm_nothing() -> None:
    fake = one_card()
    inventory = nvml.open_cards(fake)
    fake.cards[0].events = [(13, WHOLE_CARD), (31, WHOLE_CARD), (13, WHOLE_CARD)]
    inventory.sample()
    fake.cards[0].events = [(13, WHOLE_CARD)]

    sample = inventory.sample()["gpu-3f2a9c1d"]

    assert (sample.xid_errors, sample.fault) == ({13: 3, 31: 1}, "")


def test_an_xid_of_one_instance_is_not_the_others() -> None:
    fake = with_mig()
    inventory = nvml.open_cards(fake)
    fake.cards[0].events = [(95, 7), (31, 0), (43, WHOLE_CARD)]

    samples = inventory.sample()

    assert samples["mig-c0ffee00"].xid_errors == {95: 1, 43: 1}
    assert samples["mig-decade00"].xid_errors == {31: 1, 43: 1}
    assert [bool(sample.fault) for sample in samples.values()] == [True, False, False]


def test_a_card_that_reports_without_end_is_looked_at_all_the_same() -> None:
    fake = one_card()
    inventory = nvml.open_cards(fake)
    fake.cards[0].events = [(13, WHOLE_CARD)] * 1000

    assert inventory.sample()["gpu-3f2a9c1d"].xid_errors == {13: 256}
    assert len(fake.cards[0].events) == 744


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"uncorrected": 2}, "had uncorrectable memory errors (ECC: 2); reset it"),
        ({"remapped": (0, 1, 1, 0)}, "has to remap a broken row of its memory; reset it"),
        ({"remapped": (0, 1, 1, 1)}, "could not remap a broken row of its memory; replace it"),
        ({"remapped": (3, 1, 0, 0)}, ""),
        ({"pages_pending": 1}, "has to retire a broken page of its memory; reset it"),
        (
            {"uncorrected": 1, "pages_pending": 1},
            "had uncorrectable memory errors (ECC: 1); reset it; "
            "has to retire a broken page of its memory; reset it",
        ),
    ],
)
def test_broken_memory_is_a_fault(change: dict[str, Any], fault: str) -> None:
    fake = one_card()
    inventory = nvml.open_cards(fake)

    for name, value in change.items():
        setattr(fake.cards[0], name, value)

    assert inventory.sample()["gpu-3f2a9c1d"].fault == fault


def test_closing_lets_go_of_the_driver() -> None:
    fake = four_cards()
    inventory = nvml.open_cards(fake)

    inventory.close()

    assert not fake.is_open


def test_closing_a_driver_that_no_longer_answers_is_logged() -> None:
    fake = one_card()
    inventory = nvml.open_cards(fake)
    fake.is_open = False

    with capture_logs() as logs:
        inventory.close()

    assert [(log["event"], log["reason"]) for log in logs] == [("nvml_not_closed", "Uninitialized")]
