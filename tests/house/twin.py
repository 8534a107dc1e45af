"""The sync client, generated from the async one by unasync.

Run as `python -m tests.house.twin`; `--check` only says whether client/ftctl/_sync is fresh.
"""

import io
import re
import subprocess
import sys
import tempfile
import tokenize
from pathlib import Path

import unasync

CHECKOUT = Path(__file__).resolve().parent.parent.parent
WRITTEN = CHECKOUT / "client" / "ftctl" / "_async"
GENERATED = WRITTEN.with_name("_sync")
NOTE = "# Generated from ftctl/_async by `make sync`; do not edit.\n"
# Word by word, beyond what unasync knows of itself.
_WORDS = {
    "_async": "_sync",
    "aio": "blocking",
    "AsyncArtifacts": "Artifacts",
    "AsyncBlueprints": "Blueprints",
    "AsyncClient": "Client",
    "AsyncComparisons": "Comparisons",
    "AsyncConnection": "Connection",
    "AsyncDatasets": "SyncDatasets",
    "AsyncEvaluations": "Evaluations",
    "AsyncJobHandle": "JobHandle",
    "AsyncListing": "Listing",
    "AsyncMachine": "Machine",
    "AsyncModels": "Models",
    "AsyncPlots": "Plots",
    "AsyncSimilarities": "Similarities",
}
# In texts, which unasync leaves alone.
_IN_TEXTS = ((r"\basync (with|for|def)\b", r"\1"), (r"\bawait ", ""))


def main(arguments: list[str]) -> int:
    """Write the twin, or check it; return 1 where it is stale."""
    fresh = twin(WRITTEN)
    if "--check" not in arguments:
        GENERATED.mkdir(exist_ok=True)
        for name in {path.name for path in GENERATED.glob("*.py")} - fresh.keys():
            (GENERATED / name).unlink()
        for name, text in fresh.items():
            (GENERATED / name).write_text(text)
    elif fresh != {path.name: path.read_text() for path in GENERATED.glob("*.py")}:
        print("client/ftctl/_sync is stale: make sync", file=sys.stderr)
        return 1
    else:
        print("client/ftctl/_sync: fresh")
    return 0


def twin(written: Path) -> dict[str, str]:
    """Return the sync twin of each file of a folder, by its name."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "_async"), Path(folder, "_sync")
        source.mkdir()
        for path in written.glob("*.py"):
            (source / path.name).write_text(path.read_text())
        rule = unasync.Rule("/_async/", "/_sync/", additional_replacements=_WORDS)
        unasync.unasync_files([str(path) for path in source.glob("*.py")], [rule])
        for path in target.glob("*.py"):
            path.write_text(NOTE + _with_texts(path.read_text()))
        _format(target)
        return {path.name: path.read_text() for path in sorted(target.glob("*.py"))}


def _with_texts(code: str) -> str:
    """Translate what the strings of a file say, docstrings above all."""
    lines = code.splitlines(keepends=True)
    for token in reversed([*tokenize.generate_tokens(io.StringIO(code).readline)]):
        if token.type == tokenize.STRING:
            (first, start), (last, end) = token.start, token.end
            before, after = lines[first - 1][:start], lines[last - 1][end:]
            lines[first - 1 : last] = [before + _text(token.string) + after]
    return "".join(lines)


def _text(text: str) -> str:
    for pattern, instead in (*_IN_TEXTS, *((rf"\b{k}\b", v) for k, v in _WORDS.items())):
        text = re.sub(pattern, instead, text)
    return text


def _format(folder: Path) -> None:
    ruff = [sys.executable, "-m", "ruff"]
    config = ["--config", str(CHECKOUT / "pyproject.toml"), "--quiet"]
    # Where it stands now, ruff cannot see whose packages these are.
    ours = ["--config", 'lint.isort.known-first-party = ["finetuned", "ftctl"]']
    subprocess.run([*ruff, "check", "--fix", "--select", "I", *config, *ours, folder], check=True)
    subprocess.run([*ruff, "format", *config, folder], check=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
