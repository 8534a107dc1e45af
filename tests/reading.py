"""Do what the pages say, in their order, as a reader would: every shell and Python snippet.

A page is run as one shell script in a home of its own, against real daemons. Its functions stand
for what a reader does by hand: `ftd serve` in another terminal, and Ctrl-C there before the next.
`make` is asked what it would do: what it does takes minutes, and is done by `.ci/run`.
"""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
RUN = ("sh", "python")
"""Snippets of these languages are run; those of `yaml` are written to the file that they name."""

STOPPED = "<!-- the daemon is stopped -->\n"
# What is not taken as it stands: no test can listen on a machine of that name, or choose a port.
NAMES = {"lab.example": "localhost"}
PORTS = ("7443", "9400")

_SNIPPET = re.compile(
    rf"^(?P<before>{re.escape(STOPPED)})?```(?P<language>\w*)\n(?P<code>.*?)^```$", re.M | re.S
)
_FILE = re.compile(r"# (\S+\.yaml)\n")
_PRELUDE = """\
set -euo pipefail
mkdir -p bin && ln -sf "$PYTHON" bin/python
stop() {
  [ -z "${DAEMON:-}" ] || { kill "$DAEMON"; wait "$DAEMON" || true; DAEMON=; }
}
trap stop EXIT
ftd() {
  if [ "$1" != serve ]; then "$PYTHON" -m ftd "$@"; return; fi
  stop
  "$PYTHON" -m ftd "$@" > daemon.log 2>&1 &
  DAEMON=$!
  until grep -q daemon_started daemon.log; do
    kill -0 "$DAEMON" 2>/dev/null || { cat daemon.log >&2; return 1; }
    read -rt 0.02 <> <(:) || true
  done
}
ftctl() { "$PYTHON" -m ftctl "$@"; }
pip() { "$PYTHON" -m pip "$@" --dry-run; }
make() { command make --dry-run --directory "$CHECKOUT" VENV="$VENV" "$@" > /dev/null; }
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snippet:
    """A fenced block of a page."""

    page: str
    number: int
    language: str
    code: str
    is_stopped: bool

    @property
    def commands(self) -> int:
        """How many commands a shell snippet has: lines that are not continued."""
        lines = re.sub(r"\\\n\s*", " ", self.code).splitlines()
        return sum(bool(line) and not line.startswith("#") for line in lines)


def snippets(page: str) -> list[Snippet]:
    """Return the fenced blocks of a page, of every language."""
    found = _SNIPPET.finditer((CHECKOUT / page).read_text())
    return [
        Snippet(
            page=page, number=number, language=each["language"], code=each["code"],
            is_stopped=bool(each["before"]),
        )
        for number, each in enumerate(found, 1)
    ]  # fmt: skip


def script(page: str) -> str:
    """Return what a reader does who takes a page at its word."""
    text = "\n".join([_PRELUDE, *_steps(snippets(page))])
    for name, real in {**NAMES, **{port: str(_free_port()) for port in PORTS}}.items():
        text = text.replace(name, real)
    return text


def _steps(found: list[Snippet]) -> Iterator[str]:
    for each in found:
        if each.language in RUN:
            yield f"echo '--- {each.page}, snippet {each.number}'"
        if each.is_stopped:
            yield "stop"
        if each.language == "sh":
            yield each.code
        elif each.language == "python":
            yield f"\"$PYTHON\" - <<'END OF PYTHON'\n{each.code}END OF PYTHON"
        elif named := _FILE.match(each.code):
            yield f"cat > {named[1]} <<'END OF YAML'\n{each.code}END OF YAML"


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def read(text: str, home: Path, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a script in a home; what goes wrong stands in stderr, where in stdout."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "PYTHONPATH") if name in os.environ}
    told = {
        "HOME": str(home), "PYTHON": sys.executable, "CHECKOUT": str(CHECKOUT),
        "VENV": sys.prefix, "NO_COLOR": "1", "FTD_DEVICES": "cpu", "FTD_RESERVE": "0",
    }  # fmt: skip
    return subprocess.run(
        ["bash", "-c", text], cwd=home, env={**kept, **told, **environment},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
