"""Which finetuned this is."""

from importlib import metadata


def version() -> str:
    """Return the installed version, or words that say why there is none."""
    try:
        return metadata.version("finetuned")
    except metadata.PackageNotFoundError:
        return "of a checkout that is not installed"
