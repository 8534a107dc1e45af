"""The name that was probably meant."""

import difflib
from collections.abc import Iterable

# Nobody mistypes so much, and comparing is slow.
_LONGEST = 100


def nearest(given: str, known: Iterable[str]) -> str | None:
    """Return the known name that is most like the given one, if any is; case counts for nothing."""
    if len(given) > _LONGEST:
        return None
    spelled = {name.casefold(): name for name in known}
    near = difflib.get_close_matches(given.casefold(), spelled, n=1)
    return spelled[near[0]] if near else None


def hint(given: str, known: Iterable[str]) -> str:
    """Return what an error message ends with: `; did you mean ...?`, or nothing."""
    near = nearest(given, known)
    return f"; did you mean `{near}`?" if near else ""
