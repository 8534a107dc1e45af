"""The name that was probably meant: for engine and daemon."""

import difflib
from collections.abc import Iterable

# Nobody mistypes so much, and comparing is slow.
_LONGEST = 100


def nearest(given: str, known: Iterable[str]) -> str | None:
    """Return the known name that is most like the given one, if any is; case counts for nothing."""
    return next(iter(near(given, known, most=1)), None)


def near(given: str, known: Iterable[str], *, most: int) -> list[str]:
    """Return the known names that are like the given one, the most like first."""
    if len(given) > _LONGEST:
        return []
    spelled = {name.casefold(): name for name in known}
    found = difflib.get_close_matches(given.casefold(), spelled, n=most)
    return [spelled[name] for name in found]


def hint(given: str, known: Iterable[str]) -> str:
    """Return what an error message ends with: `; did you mean ...?`, or nothing."""
    found = nearest(given, known)
    return f"; did you mean `{found}`?" if found else ""
