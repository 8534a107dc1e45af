"""Machines with NVIDIA cards, as the fake NVML shows them."""

from typing import Any

from tests.fakes.nvml import GIB, FakeCard, FakeNvml, FakePart

FIRST = "GPU-3f2a9c1d-1111-2222-3333-444455556666"
SECOND = "GPU-90b1c2d3-1111-2222-3333-444455556666"
THIRD = "GPU-aaaa0000-1111-2222-3333-444455556666"
FOURTH = "GPU-bbbb0000-1111-2222-3333-444455556666"
SMALL = "MIG-c0ffee00-1111-5222-8333-444455556666"
LARGE = "MIG-decade00-1111-5222-8333-444455556666"
CRITICAL = [48, 62, 64, 74, 79, 95, 119, 120]


def handles(fake: FakeNvml) -> list[Any]:
    return [each for card in fake.cards for each in (card.parts or [card])]


def one_card() -> FakeNvml:
    return FakeNvml(FakeCard(uuid=FIRST))


def four_cards() -> FakeNvml:
    """Return cards that NVML numbers in another order than the bus has them."""
    return FakeNvml(
        FakeCard(uuid=THIRD, bus=0xB1),
        FakeCard(uuid=FIRST, bus=0x05),
        FakeCard(uuid=FOURTH, bus=0xE1),
        FakeCard(uuid=SECOND, bus=0x18),
    )


def with_mig() -> FakeNvml:
    parts = [
        FakePart(uuid=SMALL, instance=7),
        FakePart(uuid=LARGE, instance=0, total=40 * GIB, name="NVIDIA H100 80GB HBM3 MIG 3g.40gb"),
    ]
    return FakeNvml(FakeCard(uuid=FIRST, bus=1, parts=parts), FakeCard(uuid=SECOND, bus=2))


def reticent() -> FakeNvml:
    """Return a card that supports next to nothing, as those of workstations and laptops do."""
    mute = {
        "Mig", "Memory_v2", "Processes", "Utilization", "Temperature", "Energy", "Ecc", "Rows",
        "Pages", "Events", "Affinity",
    }  # fmt: skip
    return FakeNvml(FakeCard(uuid=FIRST, mute=mute))
