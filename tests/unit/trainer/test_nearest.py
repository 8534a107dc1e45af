"""The name that was probably meant: one rule for engine and daemon, the same for the client."""

import pytest

from ftctl import nearest as client
from fttrain.spec import nearest

NAMES = ["momentum", "mobilenet_v2", "IMAGENET1K_V1", "IMAGENET1K_V2"]


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("momentm", "momentum"),
        ("mobilnet_v2", "mobilenet_v2"),
        ("imagenet1k_v2", "IMAGENET1K_V2"),
        ("nothing of the kind", None),
        ("", None),
        ("momentum" * 100_000, None),
    ],
)
def test_the_nearest_is_found_whatever_its_case(given: str, meant: str | None) -> None:
    assert nearest.nearest(given, NAMES) == client.nearest(given, NAMES) == meant


def test_a_hint_ends_a_message_or_is_nothing() -> None:
    for place in (nearest, client):
        assert place.hint("momentm", NAMES) == "; did you mean `momentum`?"
        assert place.hint("zzz", NAMES) == ""


def test_several_are_named_the_most_like_first() -> None:
    found = nearest.near("imagenet1k_v1", NAMES, most=3)

    assert found[:2] == ["IMAGENET1K_V1", "IMAGENET1K_V2"]
