"""`ftctl similarity`: two nets are compared, as a table, as JSON and as a picture."""

import json
from pathlib import Path

import pytest

import ftctl
from ftctl.testing import FakeDaemon
from tests.fakes.calls import Call

JOB = {"name": "ants", "data": {"digits": {}}, "model": {"cnn": {}}, "train": {"epochs": 3}}
PNG = b"\x89PNG\r\n"


@pytest.fixture(autouse=True)
def trained(fake: FakeDaemon) -> None:
    with ftctl.Client(fake.socket) as client:
        for name in ("ants", "bees"):
            fake.finish(client.submit({**JOB, "name": name}))


async def test_a_line_for_each_layer_says_how_alike_it_is(call: Call) -> None:
    code, out, _ = await call("similarity", "ants", "bees/last", "--images", "20")

    assert code == 0
    lines = [line.split() for line in out.splitlines() if line.strip()]
    assert lines[-4:] == [
        ["layer", "type", "parameters", "cos", "bias", "cos", "weight", "rel.", "L2", "CKA"],
        ["features.0.0", "Conv2d", "144", "–", "0.5000", "1.0000", "0.7500"],
        ["features.0.1", "BatchNorm2d", "32", "0.2500", "0.5000", "1.0000", "0.7500"],
        ["head", "Linear", "650", "0.2500", "0.5000", "1.0000", "0.7500"],
    ]
    assert "ants/best, epoch 3" in out
    assert "bees/last, epoch 3" in out
    assert "of 20 validation images of ants" in out


async def test_a_picture_is_written_with_its_numbers_beside_it(call: Call, tmp_path: Path) -> None:
    place = tmp_path / "alike.png"

    code, out, _ = await call("similarity", "ants", "bees", "--plot", str(place), "-o", "json")

    assert code == 0
    assert place.read_bytes().startswith(PNG)
    told = json.loads(out)
    assert json.loads((tmp_path / "alike.json").read_text()) == told
    assert told["layers"][0]["bias_cosine"] is None
    assert told["layers"][0]["cka"] == 0.75
    assert (told["images"], told["first"]["job_name"], told["architecture"]) == (128, "ants", "cnn")
    assert "png" not in told

    again = await call("similarity", "ants", "bees", "--plot", str(place))
    assert (again[0], again[2]) == (2, f"ftctl: {place}: is there already; --force replaces it\n")
    assert (await call("similarity", "ants", "bees", "--plot", str(place), "--force"))[0] == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("ants/first", "bees"),
            "`ants/first` names no checkpoint; say JOB, JOB/best or JOB/last",
        ),
        (("ants", "bees", "--images", "1"), "images: should be 2 to 1024, not 1"),
    ],
)
async def test_what_cannot_be_compared_is_said(
    call: Call, words: tuple[str, ...], said: str
) -> None:
    code, _, told = await call("similarity", *words)

    assert (code, told) == (2, f"ftctl: {said}\n")
