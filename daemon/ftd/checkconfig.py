"""What `ftd check-config` says: every fault, or what holds and who said it."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from ftd import configfile, places, values
from ftd.config import ConfigFile, Told, all_told, default_socket, default_state, load
from ftd.errors import BadConfig
from ftd.settings import SETTINGS


def report(path: str | None, environment: Mapping[str, str]) -> str:
    """Return what a daemon that started here would be told, a line per setting.

    Raises:
        BadConfig: with all faults of the file and of the environment, one per line.
    """
    file = configfile.find(path, environment)
    told = _defaults(environment) | dict(all_told({}, environment, file))
    faults = [*_faults(environment, file), *_impossible(told)]
    if faults:
        raise BadConfig("\n".join(faults))
    return "\n".join([_head(file), *_lines(told)]) + "\n"


def _defaults(environment: Mapping[str, str]) -> dict[str, Told]:
    """Return the settings whose defaults are paths."""
    paths = {"state": default_state(environment), "socket": default_socket(environment)}
    return {name: Told(text=str(path), where="default") for name, path in paths.items()}


def _faults(environment: Mapping[str, str], file: ConfigFile | None) -> list[str]:
    try:
        load({}, environment, file)
    except BadConfig as error:
        return str(error).splitlines()
    return []


def _impossible(told: Mapping[str, Told]) -> Iterator[str]:
    """Yield what is wrong with paths that are well written."""
    for setting in SETTINGS:
        if setting.kind != "path" or setting.name not in told:
            continue
        value = told[setting.name]
        try:
            path: Path = values.read(setting, value.text)
        except ValueError:
            continue  # told already
        if fault := places.fault(setting.name, path):
            yield f"{value.where}: {fault}"


def _head(file: ConfigFile | None) -> str:
    return f"{file.path}: no faults" if file else "no configuration file; the defaults hold"


def _lines(told: Mapping[str, Told]) -> Iterator[str]:
    width = max(len(setting.key) for setting in SETTINGS)
    for setting in SETTINGS:
        text, where = setting.default.replace("`", ""), "default"
        if value := told.get(setting.name):
            text, where = value.text, value.where.removesuffix(f": {setting.key}")
        yield f"  {setting.key:{width}}  {text}  ({where})"
