"""What the daemon is told at its start: flags, then environment, then a file, then defaults."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from ftd import values
from ftd.errors import BadConfig
from ftd.settings import SETTINGS

LogFormat = Literal["auto", "json", "text"]
LogLevel = Literal["debug", "info", "warning", "error"]

_BY_NAME = {setting.name: setting for setting in SETTINGS}
# The fields of the configuration whose names are not the flags'.
_FIELDS = {"state": "state_dir", "metrics": "metrics_listen"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All that is configured."""

    state_dir: Path
    socket: Path
    log_format: LogFormat = "auto"
    """auto: text on a terminal, JSON elsewhere."""
    log_level: LogLevel = "info"
    reserve: int | None = None
    """Bytes of memory that the waiting worker touches ahead; None: as the machine has."""
    devices: str = "auto"
    """`auto`, `nvidia`, `cpu`, `cpu:2` or `sim:4x16GiB`."""
    queue_limit: int = 1000
    """Jobs that may wait."""
    queue_limit_per_user: int | None = None
    """Jobs of one user that may wait; None: as many as of all."""
    data_roots: tuple[Path, ...] = ()
    """Folders that the data of jobs must lie in; none: see `ftd.jobs.roots`."""
    dataset_limit: int | None = None
    """Bytes that one pushed data set may have; None: 1 TiB."""
    cache_limit: int | None = None
    """Bytes that what jobs keep for one another may take; None: a tenth of the disk."""
    backup_every: timedelta | None = timedelta(days=1)
    """None: the daemon makes no backups by itself."""
    gc_age: timedelta | None = None
    gc_keep: int | None = None
    gc_size: int | None = None
    """Bytes. None, as of the two before: no limit."""
    stall_after: float = 60.0
    """Seconds without a step after which a job has stalled, where 10 usual steps take less."""
    listen: str | None = None
    """Where other machines are heard, such as `0.0.0.0:7443`; None: nowhere."""
    tls_cert: Path | None = None
    tls_key: Path | None = None
    metrics_listen: str | None = None
    """Such as `127.0.0.1:9400` or `[::1]:9400`, always on the loopback; None: off."""
    metrics_grace: float = 60.0
    """Seconds that the series of an ended job stay."""
    dcgm_mapping_dir: Path | None = None
    """Where to write which job is on which GPU; None: nowhere."""
    file: Path | None = None
    """The file that was read; None: there was none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A value and who told it."""

    text: str
    where: str
    """`--state`, `FTD_STATE`, or a file's name, line and key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigFile:
    """What a file says, by the names of the settings, and its faults, each with its line."""

    path: Path
    told: Mapping[str, Told]
    faults: tuple[str, ...] = ()


def load(
    flags: Mapping[str, str | None], environment: Mapping[str, str], file: ConfigFile | None = None
) -> Config:
    """Return the configuration. A flag `log_level` goes before `FTD_LOG_LEVEL`, that before a file.

    Raises:
        BadConfig: with all faults, one per line; what is overruled must be right too.
    """
    faults = list(file.faults) if file else []
    chosen: dict[str, Any] = {
        "state_dir": default_state(environment).absolute(),
        "socket": default_socket(environment).absolute(),
    }
    for name, told in all_told(flags, environment, file):
        setting = _BY_NAME[name]
        try:
            chosen[_FIELDS.get(name, setting.field)] = values.read(setting, told.text)
        except ValueError as error:
            faults.append(f"{told.where}: {error}")
    faults.extend(_door_faults(chosen))
    if faults:
        raise BadConfig("\n".join(faults))
    return Config(**chosen, file=file.path if file else None)


def _door_faults(chosen: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a listener beyond the socket lacks: without TLS there is none."""
    for name in ("tls-cert", "tls-key"):
        if chosen.get("listen") and not chosen.get(_BY_NAME[name].field):
            yield (
                f"--listen: other machines are heard by TLS alone; give --{name} too, "
                "or say --listen off"
            )
        if "listen" not in chosen and chosen.get(_BY_NAME[name].field):
            yield f"--{name}: nothing is served with it; give --listen HOST:PORT too"


def all_told(
    flags: Mapping[str, str | None], environment: Mapping[str, str], file: ConfigFile | None
) -> Iterator[tuple[str, Told]]:
    """Yield all that was told, by the settings' names; of the same name, the last one holds."""
    for setting in SETTINGS:
        if file and setting.name in file.told:
            yield setting.name, file.told[setting.name]
        if text := environment.get(setting.variable):
            yield setting.name, Told(text=text, where=setting.variable)
        if text := flags.get(setting.field):
            yield setting.name, Told(text=text, where=f"--{setting.name}")


def default_state(environment: Mapping[str, str]) -> Path:
    """Return where the daemon keeps its state unless it is told otherwise."""
    home = environment.get("XDG_STATE_HOME")
    return Path(home or Path.home() / ".local" / "state") / "finetuned"


def default_socket(environment: Mapping[str, str]) -> Path:
    """Return where the daemon listens unless it is told otherwise. The client has the same rule:

    `$XDG_RUNTIME_DIR/finetuned/ftd.sock` where that is set, else `ftd.sock` in the default state.
    """
    runtime = environment.get("XDG_RUNTIME_DIR")
    folder = Path(runtime) / "finetuned" if runtime else default_state(environment)
    return folder / "ftd.sock"
