"""Who asks. Knows no transport."""

import os
import pwd
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """A user, and whether he may touch what is others'."""

    user: str
    is_admin: bool

    @property
    def only_of(self) -> str | None:
        """The user whose jobs alone are there for him; None: all jobs are."""
        return None if self.is_admin else self.user


def owner() -> Caller:
    """Return whoever runs the daemon: the one that can open its socket."""
    return Caller(user=daemon_owner(), is_admin=True)


def daemon_owner() -> str:
    """Return the name of the user that this process runs as; his number where he has no name."""
    number = os.geteuid()
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:  # in containers
        return str(number)
