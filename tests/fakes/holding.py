"""A real process that holds memory, and lets go of it when told."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

MIB = 2**20

_HOLD = """
import os, sys
size, is_beneath = int(sys.argv[1]), sys.argv[2] == "beneath"
if is_beneath and (child := os.fork()):
    os.waitpid(child, 0)
    sys.exit()
held = b"x" * size
print("holds", flush=True)
sys.stdin.readline()
held = None
print("let go", flush=True)
sys.stdin.readline()
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A process tree that holds memory."""

    process: "subprocess.Popen[str]"

    @property
    def pid(self) -> int:
        """The root of the tree."""
        return self.process.pid

    def let_go(self) -> None:
        """Have it free the memory; return when it has."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "let go\n"


@contextlib.contextmanager
def holding(size_bytes: int, *, beneath: bool = False) -> Iterator[Holder]:
    """Run a process that holds memory; with `beneath` a child of it does."""
    command = [sys.executable, "-c", _HOLD, str(size_bytes), "beneath" if beneath else "itself"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "holds\n"
        yield Holder(process=process)
        process.communicate("\n\n")
