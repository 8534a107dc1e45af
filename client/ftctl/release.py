"""Which client this is, and which API it speaks."""

from importlib import import_module

API = "finetuned.v1"


def version() -> str:
    """Return the installed version, or words that say why there is none."""
    # Loaded when it is asked for: it takes as long as all else of `ftctl --help`.
    metadata = import_module("importlib.metadata")
    try:
        return str(metadata.version("finetuned"))
    except metadata.PackageNotFoundError:
        return "of a checkout that is not installed"


def is_close(one: str, other: str) -> bool:
    """Return whether two versions differ in no more than their last number."""
    return one.split(".")[:2] == other.split(".")[:2]
