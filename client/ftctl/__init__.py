"""The client of finetuned: submit fine-tuning jobs, follow them, fetch what they made.

Names are loaded when they are used: `ftctl --help` never loads grpc.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ftctl._async.client import (
        AsyncClient,
        AsyncJobHandle,
    )
    from ftctl._sync.client import (
        Client,
        JobHandle,
    )
    from ftctl.devices import (
        Device,
        DeviceJob,
        DeviceKind,
        DeviceState,
        ForeignProcess,
    )
    from ftctl.errors import (
        AmbiguousDevice,
        AmbiguousJob,
        BadInput,
        BadJobFile,
        DaemonError,
        DaemonUnreachable,
        DeviceNotFound,
        Fault,
        FtctlError,
        InvalidJob,
        InvalidRequest,
        JobFailed,
        JobNotFound,
        NameTaken,
        NotEnded,
        PermissionDenied,
        QueueFull,
        Unauthenticated,
        WatchInterrupted,
    )
    from ftctl.jobfile import (
        JobFile,
    )
    from ftctl.models import (
        Artifact,
        ArtifactMade,
        Attempt,
        CheckpointSaved,
        Epoch,
        EpochEnded,
        Event,
        Job,
        JobState,
        Notice,
        Outcome,
        OutcomeReason,
        Phase,
        Planned,
        Progress,
        ProgressMade,
        Score,
        StateChanged,
    )
    from ftctl.plans import (
        Plan,
    )
    from ftctl.source import (
        JobSource,
    )
    from ftctl.tables import (
        Devices,
        Jobs,
        Metrics,
    )

_HOME_OF = {
    "AmbiguousDevice": "ftctl.errors",
    "AmbiguousJob": "ftctl.errors",
    "Artifact": "ftctl.models",
    "ArtifactMade": "ftctl.models",
    "AsyncClient": "ftctl._async.client",
    "AsyncJobHandle": "ftctl._async.client",
    "Attempt": "ftctl.models",
    "BadInput": "ftctl.errors",
    "BadJobFile": "ftctl.errors",
    "CheckpointSaved": "ftctl.models",
    "Client": "ftctl._sync.client",
    "DaemonError": "ftctl.errors",
    "DaemonUnreachable": "ftctl.errors",
    "Device": "ftctl.devices",
    "DeviceJob": "ftctl.devices",
    "DeviceKind": "ftctl.devices",
    "DeviceNotFound": "ftctl.errors",
    "DeviceState": "ftctl.devices",
    "Devices": "ftctl.tables",
    "Epoch": "ftctl.models",
    "EpochEnded": "ftctl.models",
    "Event": "ftctl.models",
    "Fault": "ftctl.errors",
    "ForeignProcess": "ftctl.devices",
    "FtctlError": "ftctl.errors",
    "InvalidJob": "ftctl.errors",
    "InvalidRequest": "ftctl.errors",
    "Job": "ftctl.models",
    "JobFailed": "ftctl.errors",
    "JobFile": "ftctl.jobfile",
    "JobHandle": "ftctl._sync.client",
    "JobNotFound": "ftctl.errors",
    "JobSource": "ftctl.source",
    "JobState": "ftctl.models",
    "Jobs": "ftctl.tables",
    "Metrics": "ftctl.tables",
    "NameTaken": "ftctl.errors",
    "NotEnded": "ftctl.errors",
    "Notice": "ftctl.models",
    "Outcome": "ftctl.models",
    "OutcomeReason": "ftctl.models",
    "PermissionDenied": "ftctl.errors",
    "Phase": "ftctl.models",
    "Plan": "ftctl.plans",
    "Planned": "ftctl.models",
    "Progress": "ftctl.models",
    "ProgressMade": "ftctl.models",
    "QueueFull": "ftctl.errors",
    "Score": "ftctl.models",
    "StateChanged": "ftctl.models",
    "Unauthenticated": "ftctl.errors",
    "WatchInterrupted": "ftctl.errors",
}

__all__ = [
    "AmbiguousDevice",
    "AmbiguousJob",
    "Artifact",
    "ArtifactMade",
    "AsyncClient",
    "AsyncJobHandle",
    "Attempt",
    "BadInput",
    "BadJobFile",
    "CheckpointSaved",
    "Client",
    "DaemonError",
    "DaemonUnreachable",
    "Device",
    "DeviceJob",
    "DeviceKind",
    "DeviceNotFound",
    "DeviceState",
    "Devices",
    "Epoch",
    "EpochEnded",
    "Event",
    "Fault",
    "ForeignProcess",
    "FtctlError",
    "InvalidJob",
    "InvalidRequest",
    "Job",
    "JobFailed",
    "JobFile",
    "JobHandle",
    "JobNotFound",
    "JobSource",
    "JobState",
    "Jobs",
    "Metrics",
    "NameTaken",
    "NotEnded",
    "Notice",
    "Outcome",
    "OutcomeReason",
    "PermissionDenied",
    "Phase",
    "Plan",
    "Planned",
    "Progress",
    "ProgressMade",
    "QueueFull",
    "Score",
    "StateChanged",
    "Unauthenticated",
    "WatchInterrupted",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module `ftctl` has no attribute `{name}`")
    return getattr(import_module(_HOME_OF[name]), name)


def __dir__() -> list[str]:
    return list(__all__)
