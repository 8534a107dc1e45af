"""Where on this machine the data and weights of jobs may lie."""

import os
from collections.abc import Sequence
from pathlib import Path

from ftd.jobs.callers import Caller


class Roots:
    """Folders that jobs may read from. Where none are configured, admins alone name paths."""

    def __init__(self, folders: Sequence[Path] = ()) -> None:
        self._folders = tuple(map(_real, folders))

    def of(self, caller: Caller) -> tuple[Path, ...] | None:
        """Return the folders that a caller may name paths in; None: he may name any."""
        return None if caller.is_admin and not self._folders else self._folders

    def refusal(self, path: str, caller: Caller) -> str | None:
        """Say why a caller may not name a path; None: he may. Links are followed first."""
        folders = self.of(caller)
        if folders is None:
            return None
        if not folders:
            return (
                "paths of the daemon's machine are for its admins; push the data with "
                "`ftctl dataset push`, or ask for a data root (`ftd serve --data-roots`)"
            )
        real = _real(path)
        if any(real.is_relative_to(folder) for folder in folders):
            return None
        return (
            f"`{path}` lies outside the data roots of this daemon, "
            f"{', '.join(map(str, folders))}; put it there, or push it with `ftctl dataset push`"
        )


def _real(path: str | Path) -> Path:
    # Path.resolve fails at links that lead in a circle.
    return Path(os.path.realpath(path))


EVERYWHERE = Roots()
"""None configured."""
