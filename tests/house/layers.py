"""Who may import whom. Static half: what the source says, found without running it."""

import ast
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOTS = ("client", "daemon", "trainer", "proto/gen")

# Per folder or file the modules it may import beyond the standard library; a name covers all
# beneath it, and the most specific entry wins. A new dependency is a new word here.
_JOBS = {"ftd.jobs", "ftd.datasets", "ftd.errors", "ftd.devices", "fttrain.spec", "fttrain.events"}
_DAEMON = {"ftd", "fttrain.spec", "fttrain.events", "structlog", "prometheus_client", "pydantic"}
_TRANSPORT = {"grpc", "grpc_health", "grpc_reflection", "grpc_status", "google", "finetuned"}
_TORCH = {"torch", "torchvision", "numpy", "PIL", "safetensors", "matplotlib", "sklearn", "scipy"}
LAYERS: Mapping[str, frozenset[str]] = {
    folder: frozenset(names)
    for folder, names in {
        "proto/gen/finetuned": {"finetuned", "google", "grpc"},
        "client/ftctl": _TRANSPORT - {"grpc_health", "grpc_reflection"}
        | {"ftctl", "fttrain.yamltext", "rich", "ruamel"},
        "daemon/ftd": _DAEMON,
        "daemon/ftd/datasets": {"ftd.datasets", "ftd.errors", "fttrain.spec"},
        "daemon/ftd/devices": {"ftd.devices", "ftd.errors", "pynvml", "structlog"},
        "daemon/ftd/jobs": _JOBS | {"sqlalchemy", "alembic", "asyncinotify", "structlog"},
        "daemon/ftd/metrics": {
            "ftd.metrics",
            "ftd.jobs",
            "ftd.devices",
            "ftd.errors",
            "ftd.release",
            "fttrain.spec",
            "prometheus_client",
            "structlog",
        },
        "daemon/ftd/rpc": _DAEMON | _TRANSPORT,
        "daemon/ftd/server.py": _DAEMON | _TRANSPORT,
        "trainer/fttrain": _TORCH | {"fttrain", "pydantic", "setproctitle"},
        "trainer/fttrain/__init__.py": set(),
        "trainer/fttrain/events.py": set(),
        "trainer/fttrain/models/timm_nets.py": _TORCH | {"fttrain", "timm"},
        "trainer/fttrain/artifacts/tensorboard.py": {"fttrain", "tensorboard"},
        "trainer/fttrain/spec": {"fttrain.spec", "pydantic", "pydantic_core"},
        "trainer/fttrain/spec/named.py": {"fttrain.spec", "fttrain.yamltext"},
        "trainer/fttrain/yamltext.py": {"ruamel"},
    }.items()
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """An import that the layers forbid."""

    file: str
    line: int
    name: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line} may not import {self.name}"


def violations(root: Path, layers: Mapping[str, frozenset[str]] = LAYERS) -> list[Violation]:
    """Return every forbidden import under the source roots, in order of file and line."""
    return [
        Violation(file=file, line=line, name=name)
        for path in sources(root)
        for file in [path.relative_to(root).as_posix()]
        for allowed in [_allowed(file, layers)]
        for line, name in imports(path, module_name(root, path))
        if not _is_allowed(name, allowed)
    ]


def sources(root: Path) -> list[Path]:
    """Return the Python files of all source roots."""
    return sorted(path for folder in ROOTS for path in (root / folder).rglob("*.py"))


def module_name(root: Path, path: Path) -> str:
    """Return the dotted name under which a source file is imported."""
    home = next(root / folder for folder in ROOTS if path.is_relative_to(root / folder))
    parts = path.relative_to(home).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path, module: str) -> Iterator[tuple[int, str]]:
    """Yield line and dotted name of each import: absolute, relative, or by a literal name."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(), filename=str(path))):
        match node:
            case ast.Import():
                yield from ((node.lineno, alias.name) for alias in node.names)
            case ast.ImportFrom():
                base = _origin(node, package)
                yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)
            case ast.Call(
                func=ast.Name(id="__import__") | ast.Attribute(attr="import_module"),
                args=[ast.Constant(value=str(name)), *_],
            ):
                yield node.lineno, name


def _origin(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    parts = package.split(".")
    above = parts[: len(parts) - node.level + 1]
    return ".".join([*above, *([node.module] if node.module else [])])


def _allowed(file: str, layers: Mapping[str, frozenset[str]]) -> frozenset[str]:
    fitting = [place for place in layers if file == place or file.startswith(f"{place}/")]
    return layers[max(fitting, key=len)] if fitting else frozenset()


def _is_allowed(name: str, allowed: frozenset[str]) -> bool:
    return name.split(".")[0] in sys.stdlib_module_names or any(
        name == prefix or name.startswith(f"{prefix}.") for prefix in allowed
    )
