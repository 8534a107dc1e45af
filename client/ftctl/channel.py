"""How the daemon is reached: its socket, how channels to it are set up, deadlines, retries."""

import json
import os
import socket
from collections.abc import Mapping
from pathlib import Path

from ftctl.errors import DaemonUnreachable

# Seconds. A plan may have to read every image's header once.
CALL_DEADLINE_S = 20.0
PLAN_DEADLINE_S = 900.0
CONNECT_DEADLINE_S = 5.0
# A stream that is silent for longer is opened anew, from where it was.
STREAM_DEADLINE_S = 300.0

# A job with thousands of epochs is larger than gRPC's 4 MiB.
MAX_MESSAGE_BYTES = 64 * 2**20
# struct sockaddr_un has 108 bytes, the terminating zero included.
MAX_SOCKET_PATH_BYTES = 107

_SERVICE_CONFIG = {
    "methodConfig": [
        {
            # Only calls that may be repeated; SubmitJob is, by its request id.
            "name": [
                {"service": "finetuned.v1.JobService", "method": "GetJob"},
                {"service": "finetuned.v1.JobService", "method": "ListJobs"},
                {"service": "finetuned.v1.JobService", "method": "CancelJob"},
                {"service": "finetuned.v1.JobService", "method": "SubmitJob"},
                {"service": "finetuned.v1.JobService", "method": "ListArtifacts"},
                {"service": "finetuned.v1.DaemonService"},
                {"service": "finetuned.v1.DatasetService", "method": "FinishPush"},
                {"service": "finetuned.v1.DatasetService", "method": "GetDataset"},
                {"service": "finetuned.v1.DatasetService", "method": "ListDatasets"},
                {"service": "finetuned.v1.DeviceService"},
                {"service": "finetuned.v1.RecipeService"},
            ],
            "retryPolicy": {
                "maxAttempts": 4,
                "initialBackoff": "0.1s",
                "maxBackoff": "1s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ]
}


def default_socket(environment: Mapping[str, str] = os.environ) -> Path:
    """Return where the daemon listens unless it is told otherwise."""
    for name in ("FTCTL_SOCKET", "FTD_SOCKET"):
        if environment.get(name):
            return Path(environment[name])
    for name in ("XDG_RUNTIME_DIR", "XDG_STATE_HOME"):
        if environment.get(name):
            return Path(environment[name]) / "finetuned" / "ftd.sock"
    return Path.home() / ".local/state/finetuned/ftd.sock"


def target(path: Path) -> str:
    """Return what gRPC calls a unix socket."""
    return f"unix:{path.absolute()}"


def options() -> list[tuple[str, int | str]]:
    """Return how channels to a daemon are set up."""
    return [
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        ("grpc.service_config", json.dumps(_SERVICE_CONFIG)),
        ("grpc.enable_retries", 1),
        # A daemon that is being restarted is back in a moment; gRPC's own pace is minutes.
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.min_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 1000),
        # Without this, processes and channels of one address share a connection and its backoff.
        ("grpc.use_local_subchannel_pool", 1),
    ]


def probe(path: Path) -> None:
    """Return at once if something listens on the socket.

    Raises:
        DaemonUnreachable: with the reason and the remedy.
    """
    if len(os.fsencode(path.absolute())) > MAX_SOCKET_PATH_BYTES:
        raise DaemonUnreachable(
            f"the socket path {path.absolute()} is longer than the system's "
            f"{MAX_SOCKET_PATH_BYTES} bytes; choose a shorter one with --socket or FTCTL_SOCKET"
        )
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(CONNECT_DEADLINE_S)
        try:
            connection.connect(os.fspath(path))
        except PermissionError:
            raise DaemonUnreachable(_of_another(path)) from None
        except OSError as error:
            raise DaemonUnreachable(unreachable(path, _why(error))) from None


def _of_another(path: Path) -> str:
    """Say that the socket is for its owner alone, and what to do."""
    return (
        f"the daemon at {path} is another user's, and its socket for that user alone; ask for a "
        "token and reach it with --server, or start one of your own with `ftd serve`"
    )


def unreachable(path: Path, why: str) -> str:
    """Say that nobody answers, and what to do."""
    return (
        f"no daemon answers at {path} ({why}); start one with `ftd serve`, "
        "or name its socket with --socket or FTCTL_SOCKET"
    )


def _why(error: OSError) -> str:
    match error:
        case FileNotFoundError():
            return "there is no such socket"
        case ConnectionRefusedError():
            return "the daemon that made it has ended"
        case TimeoutError():
            return f"it did not accept within {CONNECT_DEADLINE_S:.0f} s"
        case _:
            return str(error.strerror or error).lower()
