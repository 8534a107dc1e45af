"""The house in figures: how long functions and files are, which modules import in circles.

Run as `python -m tests.house.figures`: prints one line and fails on a file that is too long, a
circle, or an import that the layers forbid.
"""

import ast
import math
import statistics
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.house import layers

CHECKOUT = Path(__file__).resolve().parent.parent.parent
MOST_LINES = 400
# Measured on httpx, uvicorn, svcs, structlog, procrastinate and dramatiq.
ANCHORS = "anchors: median 7-10, p90 25-37"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What was counted."""

    functions: int
    median: float
    p90: int
    longest_function: tuple[int, str]
    files: int
    longest_file: tuple[int, str]
    circles: list[list[str]]
    upstairs: list[str]


def main(root: Path = CHECKOUT) -> int:
    """Print the figures; return 1 where the house has a fault."""
    figures = measure(root)
    print(line(figures))
    for fault in faults(figures):
        print(f"figures: {fault}", file=sys.stderr)
    return 1 if faults(figures) else 0


def measure(root: Path) -> Figures:
    """Count over the product's own source; generated code is left out."""
    files = [path for path in layers.sources(root) if "gen" not in path.relative_to(root).parts]
    lengths = sorted((length, name) for path in files for length, name in _functions(root, path))
    only = [length for length, _ in lengths] or [0]
    return Figures(
        functions=len(lengths),
        median=statistics.median(only),
        p90=only[math.ceil(0.9 * len(only)) - 1],
        longest_function=max(lengths, default=(0, "none")),
        files=len(files),
        longest_file=max(((_lines(p), _short(root, p)) for p in files), default=(0, "none")),
        circles=circles(import_graph(root, files)),
        upstairs=[str(violation) for violation in layers.violations(root)],
    )


def line(figures: Figures) -> str:
    """Return the figures as one line."""
    worst, where = figures.longest_function
    longest, file = figures.longest_file
    return (
        f"figures: {figures.functions} functions, median {figures.median:g}, p90 {figures.p90} "
        f"lines ({ANCHORS}), longest {worst} ({where}); {figures.files} files, longest {longest} "
        f"({file}); import circles {len(figures.circles)}, upstairs imports {len(figures.upstairs)}"
    )


def faults(figures: Figures) -> list[str]:
    """Return what a house must not have."""
    longest, file = figures.longest_file
    return [
        *([f"{file} has {longest} lines, more than {MOST_LINES}"] if longest > MOST_LINES else []),
        *(f"import circle: {' -> '.join([*circle, circle[0]])}" for circle in figures.circles),
        *figures.upstairs,
    ]


def import_graph(root: Path, files: list[Path]) -> dict[str, set[str]]:
    """Return which module of ours imports which, wherever in the file the import stands."""
    names = {layers.module_name(root, path): path for path in files}
    return {
        name: {
            target
            for _, wanted in layers.imports(path, name)
            if (target := _known(wanted, names)) and target != name
        }
        for name, path in names.items()
    }


def _known(wanted: str, names: Mapping[str, Path]) -> str | None:
    # `from a.b import c` may mean the module a.b.c or a name within a.b.
    candidates = (wanted, wanted.rpartition(".")[0])
    return next((name for name in candidates if name in names), None)


def circles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Return the groups of modules that reach one another, each sorted."""
    reach = {name: _reachable(graph, name) for name in graph}
    groups = {
        tuple(sorted(other for other in reach[name] if name in reach[other]))
        for name in graph
        if name in reach[name]
    }
    return [list(group) for group in sorted(groups)]


def _reachable(graph: Mapping[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    waiting = list(graph[start])
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting.extend(graph[name])
    return seen


def _functions(root: Path, path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            yield length, f"{_short(root, path)}:{node.name}"


def _lines(path: Path) -> int:
    return len(path.read_text().splitlines())


def _short(root: Path, path: Path) -> str:
    """Return a path without its source root: `ftd/jobs/store.py`."""
    return "/".join(path.relative_to(root).parts[1:])


if __name__ == "__main__":
    sys.exit(main())
