"""The mark of an attempt: how its processes are known once their shim is gone. Torch-free.

A worker puts it on before it does anything else, in two places. A mapping of memory, which what
it forks inherits and does not lose by closing files, by a session of its own or by another
parent. An environment variable, which the programs that these execute inherit. Nobody else can
have either by accident: it names the attempt and its shim, a process unique on this machine.
"""

from pathlib import Path

from fttrain.spec.rundir import ProcessIdentity

VARIABLE = "FINETUNED_ATTEMPT"
MAPPING = "finetuned:"
"""Begins the name of the mapping."""
GROUPS = "FINETUNED_GROUPS"
"""Variable of the zygote: the folder in which each shim makes its control group; none: without."""


def of(run_dir: Path, shim: ProcessIdentity) -> str:
    """Return the mark of an attempt's processes."""
    return f"{run_dir.parent.name}/{run_dir.name}/{group_of(shim)}"


def group_of(shim: ProcessIdentity) -> str:
    """Return the name of the control group of a shim and all beneath it."""
    return f"{shim.pid}.{shim.start_ticks}"


def run_dir_of(mark: str, runs: Path) -> Path | None:
    """Return the run directory that a mark names; None where the text is no mark."""
    words = mark.split("/")
    return runs / words[0] / words[1] if len(words) == 3 and all(words) else None
