"""All that can be told to the daemon, in one table. Its flags, variables and file keys follow.

Kept light: `ftd --help` shows it. What a value must look like is `ftd.values`'.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Kind = Literal[
    "path", "choice", "size", "devices", "count", "address", "door", "file", "seconds", "span",
    "paths",
]  # fmt: skip
SYSTEM_FILE = Path("/etc/finetuned/ftd.toml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Something that can be told: `--queue-limit`, FTD_QUEUE_LIMIT, or a key of the file."""

    name: str
    """The flag's: `queue-limit`."""
    key: str
    """In the file: `queue_limit`, or `metrics.listen` for `listen` beneath `[metrics]`."""
    kind: Kind
    metavar: str
    meaning: str
    default: str
    """In words."""
    example: str
    """A value as TOML."""
    choices: tuple[str, ...] = ()

    @property
    def field(self) -> str:
        """Its name as Python writes it."""
        return self.name.replace("-", "_")

    @property
    def variable(self) -> str:
        """Its name in the environment."""
        return f"FTD_{self.field.upper()}"


SETTINGS = (
    Setting(
        name="state",
        key="state",
        kind="path",
        metavar="DIR",
        meaning="where jobs, their history, checkpoints and models are kept",
        default="`$XDG_STATE_HOME/finetuned`, else `~/.local/state/finetuned`",
        example='"/var/lib/finetuned"',
    ),
    Setting(
        name="socket",
        key="socket",
        kind="path",
        metavar="PATH",
        meaning="where to listen; who may open it may submit jobs",
        default="`$XDG_RUNTIME_DIR/finetuned/ftd.sock`, else `ftd.sock` in the default state",
        example='"/run/finetuned/ftd.sock"',
    ),
    Setting(
        name="log-format",
        key="log_format",
        kind="choice",
        metavar="FORMAT",
        meaning="how to log: auto (text on a terminal, JSON elsewhere), json or text",
        default="`auto`",
        example='"auto"',
        choices=("auto", "json", "text"),
    ),
    Setting(
        name="log-level",
        key="log_level",
        kind="choice",
        metavar="LEVEL",
        meaning="how much to log: debug, info, warning or error",
        default="`info`",
        example='"info"',
        choices=("debug", "info", "warning", "error"),
    ),
    Setting(
        name="reserve",
        key="reserve",
        kind="size",
        metavar="SIZE",
        meaning="memory that the next worker touches ahead to begin sooner, like 512MiB, or 0",
        default="`auto`: a 32nd of the machine's, at most 768MiB",
        example='"512MiB"',
    ),
    Setting(
        name="devices",
        key="devices",
        kind="devices",
        metavar="SPEC",
        meaning="what jobs run on: auto, nvidia, cpu, cpu:2 (cores shared among two), or "
        "sim:4x16GiB (four simulated ones; the work runs on the processor)",
        default="`auto`: NVIDIA's where there are any, else the processor",
        example='"auto"',
    ),
    Setting(
        name="queue-limit",
        key="queue_limit",
        kind="count",
        metavar="N",
        meaning="jobs that may wait; more are refused",
        default="`1000`",
        example="1000",
    ),
    Setting(
        name="queue-limit-per-user",
        key="queue_limit_per_user",
        kind="count",
        metavar="N",
        meaning="jobs of one user that may wait; more are refused",
        default="as `queue_limit`",
        example="100",
    ),
    Setting(
        name="data-roots",
        key="data_roots",
        kind="paths",
        metavar="DIR[:DIR...]",
        meaning="folders that the data and weights named in jobs must lie in",
        default="anywhere for admins, nowhere for other users, who push theirs",
        example='"/data:/srv/images"',
    ),
    Setting(
        name="dataset-limit",
        key="dataset_limit",
        kind="size",
        metavar="SIZE",
        meaning="the most that one pushed data set may have, like 100GiB",
        default="`auto`: 1TiB",
        example='"100GiB"',
    ),
    Setting(
        name="cache-limit",
        key="cache_limit",
        kind="size",
        metavar="SIZE",
        meaning="what all that jobs make of images once and keep for one another may take, like "
        "50GiB; what was not used for longest goes first; 0: jobs keep it for themselves",
        default="`auto`: a tenth of the disk of --state",
        example='"50GiB"',
    ),
    Setting(
        name="backup-every",
        key="backup_every",
        kind="span",
        metavar="TIME",
        meaning="how often the job store is copied to backups/ in --state, like 12h, or off; the "
        "last 3 stay",
        default="`1d`",
        example='"1d"',
    ),
    Setting(
        name="stall-after",
        key="stall_after",
        kind="seconds",
        metavar="SECONDS",
        meaning="a job that makes no step for so long, and for 10 of its usual steps, is ended "
        "and started again",
        default="`60`",
        example="60",
    ),
    Setting(
        name="listen",
        key="listen",
        kind="door",
        metavar="HOST:PORT",
        meaning="where other machines are heard, by TLS and with a token, like 0.0.0.0:7443",
        default="`off`",
        example='"0.0.0.0:7443"',
    ),
    Setting(
        name="tls-cert",
        key="tls_cert",
        kind="file",
        metavar="FILE",
        meaning="the certificate for --listen in PEM, with those between it and its authority",
        default="none",
        example='"/etc/finetuned/cert.pem"',
    ),
    Setting(
        name="tls-key",
        key="tls_key",
        kind="file",
        metavar="FILE",
        meaning="its private key in PEM, without a password",
        default="none",
        example='"/etc/finetuned/key.pem"',
    ),
    Setting(
        name="gc-age",
        key="gc.age",
        kind="span",
        metavar="TIME",
        meaning="jobs that ended longer ago are removed with all they made, like 90d",
        default="`off`",
        example='"90d"',
    ),
    Setting(
        name="gc-keep",
        key="gc.keep",
        kind="count",
        metavar="N",
        meaning="so many ended jobs are kept, the latest",
        default="all",
        example="1000",
    ),
    Setting(
        name="gc-size",
        key="gc.size",
        kind="size",
        metavar="SIZE",
        meaning="what all run directories may take; beyond it the oldest ended jobs go, like "
        "500GiB",
        default="`auto`: as much as they do",
        example='"500GiB"',
    ),
    Setting(
        name="metrics",
        key="metrics.listen",
        kind="address",
        metavar="ADDRESS:PORT",
        meaning="where Prometheus reads metrics, on the loopback alone, like 127.0.0.1:9400",
        default="`off`",
        example='"127.0.0.1:9400"',
    ),
    Setting(
        name="metrics-grace",
        key="metrics.grace",
        kind="seconds",
        metavar="SECONDS",
        meaning="how long the series of an ended job stay; two scrapes at least",
        default="`60`",
        example="60",
    ),
    Setting(
        name="dcgm-mapping-dir",
        key="metrics.dcgm_mapping_dir",
        kind="path",
        metavar="DIR",
        meaning="where to write which job is on which GPU, for dcgm-exporter's "
        "--hpc-job-mapping-dir",
        default="none",
        example='"/run/finetuned/dcgm"',
    ),
)


def user_file(environment: Mapping[str, str]) -> Path:
    """Return where a user keeps the daemon's configuration."""
    home = environment.get("XDG_CONFIG_HOME")
    return Path(home or Path.home() / ".config") / "finetuned" / "ftd.toml"


def found_file(environment: Mapping[str, str]) -> Path | None:
    """Return the configuration that is read where none is named: the user's, else the system's."""
    places = (user_file(environment), SYSTEM_FILE)
    return next((place for place in places if place.exists()), None)
