"""The layers hold: by what the source says, and by what an import really loads."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house import figures, layers

CHECKOUT = Path(__file__).resolve().parent.parent.parent
HEAVY = ["torch", "torchvision"]
# What each part must never load, however many steps away the import stands.
NEVER_LOADED = {
    "finetuned": [*HEAVY, "ftctl", "ftd", "fttrain"],
    "ftctl": [*HEAVY, "numpy", "pydantic", "sqlalchemy", "structlog", "ftd", "fttrain.spec"],
    "ftd": [*HEAVY, "ftctl"],
    "fttrain.events": [*HEAVY, "grpc", "finetuned"],
    "fttrain.spec": [*HEAVY, "grpc", "finetuned"],
    "fttrain.yamltext": [*HEAVY, "pydantic"],
}
# Alembic runs it by path, with a context set up before; it is not imported by name.
SCRIPTS = {"ftd.jobs.store.migrations.env"}
# Imports modules in turn and prints the first that brings a forbidden one, with that one.
PROBE = """
import importlib, json, sys
modules, never = json.loads(sys.argv[1])
for module in modules:
    importlib.import_module(module)
    for name in never:
        if name in sys.modules:
            print(json.dumps([module, name]))
            sys.exit()
print("null")
"""


def first_to_load(modules: list[str], never: list[str], root: Path) -> list[str] | None:
    """Import the modules in a process of their own; return who brought what, or None."""
    path = [str(root / folder) for folder in layers.ROOTS]
    code = f"import sys; sys.path[:0] = {path!r}\n{PROBE}"
    command = [sys.executable, "-c", code, json.dumps([modules, never])]
    process = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert process.returncode == 0, process.stderr
    answer: list[str] | None = json.loads(process.stdout.splitlines()[-1])
    return answer


def modules_beneath(root: Path, prefix: str) -> list[str]:
    names = {layers.module_name(root, path) for path in layers.sources(root)} - SCRIPTS
    return sorted(name for name in names if name == prefix or name.startswith(f"{prefix}."))


def plant(root: Path, file: str, text: str) -> None:
    path = root / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_no_import_goes_upstairs() -> None:
    assert [str(violation) for violation in layers.violations(CHECKOUT)] == []


def test_no_modules_import_in_circles() -> None:
    assert figures.measure(CHECKOUT).circles == []


def test_what_was_probably_meant_is_decided_in_one_place_for_client_and_engine() -> None:
    homes = {"client/ftctl/nearest.py", "trainer/fttrain/spec/nearest.py"}
    found = {
        str(path.relative_to(CHECKOUT))
        for path in layers.sources(CHECKOUT)
        if "import difflib" in path.read_text()
    }

    assert found == homes


def test_the_first_file_that_every_worker_imports_is_empty() -> None:
    assert (CHECKOUT / "trainer/fttrain/__init__.py").read_text() == ""


@pytest.mark.parametrize("part", NEVER_LOADED)
def test_an_import_loads_nothing_forbidden(part: str) -> None:
    modules = modules_beneath(CHECKOUT, part)

    assert modules, f"{part} has no modules"
    assert first_to_load(modules, NEVER_LOADED[part], CHECKOUT) is None


def test_the_probe_sees_torch_where_it_is_loaded() -> None:
    assert first_to_load(["fttrain.loop"], HEAVY, CHECKOUT) == ["fttrain.loop", "torch"]


@pytest.mark.parametrize(
    ("file", "text", "name"),
    [
        ("client/ftctl/cli/list.py", "import ftd.jobs", "ftd.jobs"),
        ("client/ftctl/client.py", "from fttrain import spec", "fttrain.spec"),
        ("client/ftctl/client.py", "def f():\n    import pydantic", "pydantic"),
        ("daemon/ftd/jobs/store.py", "import grpc.aio", "grpc.aio"),
        ("daemon/ftd/jobs/store.py", "from finetuned.v1 import job_pb2", "finetuned.v1.job_pb2"),
        ("daemon/ftd/jobs/store.py", "from ftd.rpc import convert", "ftd.rpc.convert"),
        ("daemon/ftd/jobs/store.py", "from ..rpc import convert", "ftd.rpc.convert"),
        ("daemon/ftd/jobs/__init__.py", "from ..rpc.convert import x", "ftd.rpc.convert.x"),
        ("daemon/ftd/metrics.py", "import grpc", "grpc"),
        ("daemon/ftd/server.py", "import torch", "torch"),
        ("daemon/ftd/server.py", "from fttrain.loop import train", "fttrain.loop.train"),
        ("daemon/ftd/log.py", "m = importlib.import_module('torch.nn')", "torch.nn"),
        ("daemon/ftd/log.py", "m = __import__('torch')", "torch"),
        ("trainer/fttrain/run.py", "import ftd", "ftd"),
        ("trainer/fttrain/run.py", "from grpc import aio", "grpc.aio"),
        ("trainer/fttrain/spec/recipe.py", "import torch", "torch"),
        ("trainer/fttrain/spec/recipe.py", "from fttrain.specials import x", "fttrain.specials.x"),
        ("trainer/fttrain/events.py", "import pydantic", "pydantic"),
        ("trainer/fttrain/__init__.py", "import numpy", "numpy"),
        ("proto/gen/finetuned/v1/job_pb2.py", "import ftctl", "ftctl"),
        ("client/stray.py", "import grpc", "grpc"),
    ],
)
def test_a_planted_import_is_named(tmp_path: Path, file: str, text: str, name: str) -> None:
    plant(tmp_path, file, text)

    (violation,) = layers.violations(tmp_path)

    line = text.count("\n") + 1
    assert str(violation) == f"{file}:{line} may not import {name}"


def test_the_most_specific_folder_decides(tmp_path: Path) -> None:
    plant(tmp_path, "daemon/ftd/rpc/jobs.py", "import grpc\nfrom ftd.jobs import store")
    plant(tmp_path, "trainer/fttrain/loop.py", "import json\nimport torch.nn\nimport fttrain.spec")

    assert layers.violations(tmp_path) == []


@pytest.mark.parametrize("file", ["fttrain/spec.py", "fttrain/__init__.py"])
def test_a_planted_torch_is_seen_when_it_loads(tmp_path: Path, file: str) -> None:
    for each in ("fttrain/__init__.py", "fttrain/spec.py"):
        plant(tmp_path, f"trainer/{each}", "")
    plant(tmp_path, f"trainer/{file}", "import torch")

    seen = first_to_load(["fttrain.spec"], HEAVY, tmp_path)

    assert seen == ["fttrain.spec", "torch"]


def test_a_planted_circle_is_found(tmp_path: Path) -> None:
    plant(tmp_path, "daemon/ftd/a.py", "from ftd import b")
    plant(tmp_path, "daemon/ftd/b.py", "def later():\n    from ftd.c import thing")
    plant(tmp_path, "daemon/ftd/c.py", "import ftd.a")
    plant(tmp_path, "daemon/ftd/d.py", "import ftd.a")

    assert figures.measure(tmp_path).circles == [["ftd.a", "ftd.b", "ftd.c"]]


def test_a_file_that_is_too_long_is_a_fault(tmp_path: Path) -> None:
    plant(tmp_path, "daemon/ftd/long.py", "x = 1\n" * (figures.MOST_LINES + 1))

    faults = figures.faults(figures.measure(tmp_path))

    assert faults == ["daemon/ftd/long.py has 401 lines, more than 400".removeprefix("daemon/")]


def test_lengths_count_signature_and_docstring(tmp_path: Path) -> None:
    plant(
        tmp_path, "daemon/ftd/x.py", 'def f(\n    a: int,\n) -> int:\n    """Say."""\n    return a'
    )

    measured = figures.measure(tmp_path)

    assert (measured.median, measured.p90) == (5, 5)
    assert measured.longest_function == (5, "ftd/x.py:f")
