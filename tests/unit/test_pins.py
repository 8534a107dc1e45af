"""What is installed is pinned, and names no place that it comes from."""

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

CHECKOUT = Path(__file__).resolve().parent.parent.parent
PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())
PINS = [Requirement(line) for line in (CHECKOUT / "constraints.txt").read_text().splitlines()]


def names(requirements: list[str]) -> set[str]:
    return {canonicalize_name(Requirement(text).name) for text in requirements}


def test_everything_that_is_asked_for_is_pinned() -> None:
    project = PROJECT["project"]
    asked = names(project["dependencies"]) | names(PROJECT["build-system"]["requires"])
    for extra in project["optional-dependencies"].values():
        asked |= names(extra)

    assert asked <= {canonicalize_name(pin.name) for pin in PINS}


def test_every_pin_is_one_version_from_no_named_place() -> None:
    assert [
        str(pin) for pin in PINS if pin.url or not re.match(r"==[^*]+$", str(pin.specifier))
    ] == []


def test_the_base_install_asks_for_the_client_alone() -> None:
    assert names(PROJECT["project"]["dependencies"]) == {
        "grpcio", "grpcio-status", "protobuf", "rich", "ruamel-yaml",
    }  # fmt: skip
