"""How alike two nets are, on terminals of any width."""

from typing import Any

import pytest
from rich.console import Console

from ftctl.similarities import CheckpointUsed, LayerSimilarity, Similarity
from ftctl.view import similarity


def used(name: str) -> CheckpointUsed:
    return CheckpointUsed(job_id="1" * 32, job_name=name, which="best", epoch=3)


def layer(place: int, **figures: Any) -> LayerSimilarity:
    whole = {"weight_cosine": 1.0, "relative_l2": 0.0, "cka": 0.99999}
    name = f"features.1{place}.conv.{place}.0"
    return LayerSimilarity(name=name, type="BatchNorm2d", parameters=1000, **(whole | figures))


def drawn(layers: list[LayerSimilarity], columns: int | None) -> list[str]:
    found = Similarity(
        first=used("head"), second=used("all"), architecture="mobilenet_v2", images=20,
        layers=tuple(layers), only_first=(), only_second=(), notices=(),
    )  # fmt: skip
    console = Console(width=columns or 80, force_terminal=columns is not None, color_system=None)
    return [line.plain.rstrip() for line in similarity.lines(found, [], console)][5:]


def other(place: int) -> LayerSimilarity:
    return layer(place, weight_cosine=0.98, relative_l2=0.18, cka=0.94)


def test_types_go_before_names_are_cut() -> None:
    told = drawn([other(place) for place in range(3)], 80)

    assert told[0] == (" layer                 parameters  cos bias  cos weight  rel. L2     CKA")
    assert told[1] == (" features.10.conv.0.0       1,000         –      0.9800   0.1800  0.9400")


@pytest.mark.parametrize("columns", [60, 80, 160])
def test_a_table_keeps_to_its_terminal(columns: int) -> None:
    assert all(
        len(line) <= columns for line in drawn([other(place) for place in range(3)], columns)
    )


def test_what_is_the_same_in_a_row_is_told_once() -> None:
    told = drawn([*(layer(place) for place in range(7)), other(7)], 100)

    assert [line.split()[0] for line in told] == [
        "layer", "features.10.conv.0.0", "⋮", "features.16.conv.6.0", "features.17.conv.7.0",
    ]  # fmt: skip
    assert told[2].split() == ["⋮", "5", "the", "same", "5,000", "⋮", "⋮", "⋮", "⋮"]


def test_a_pipe_has_every_layer() -> None:
    assert len(drawn([layer(place) for place in range(7)], None)) == 1 + 7


def test_layers_whose_features_differ_are_not_the_same() -> None:
    assert len(drawn([layer(place, cka=0.9) for place in range(7)], 100)) == 1 + 7
