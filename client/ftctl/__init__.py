"""The client of finetuned: submit fine-tuning jobs, follow them, fetch what they made.

Names are loaded when they are used: `ftctl --help` never loads grpc.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ftctl._async.client import (
        Client,
        JobHandle,
        JobSource,
    )
    from ftctl.errors import (
        AmbiguousJob,
        BadInput,
        BadJobFile,
        DaemonError,
        DaemonUnreachable,
        Fault,
        FtctlError,
        InvalidJob,
        InvalidRequest,
        JobFailed,
        JobNotFound,
        NameTaken,
        WatchInterrupted,
    )
    from ftctl.jobfile import (
        JobFile,
    )
    from ftctl.models import (
        Artifact,
        ArtifactMade,
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

_HOME_OF = {
    "AmbiguousJob": "ftctl.errors",
    "Artifact": "ftctl.models",
    "ArtifactMade": "ftctl.models",
    "BadInput": "ftctl.errors",
    "BadJobFile": "ftctl.errors",
    "CheckpointSaved": "ftctl.models",
    "Client": "ftctl._async.client",
    "DaemonError": "ftctl.errors",
    "DaemonUnreachable": "ftctl.errors",
    "Epoch": "ftctl.models",
    "EpochEnded": "ftctl.models",
    "Event": "ftctl.models",
    "Fault": "ftctl.errors",
    "FtctlError": "ftctl.errors",
    "InvalidJob": "ftctl.errors",
    "InvalidRequest": "ftctl.errors",
    "Job": "ftctl.models",
    "JobFailed": "ftctl.errors",
    "JobFile": "ftctl.jobfile",
    "JobHandle": "ftctl._async.client",
    "JobNotFound": "ftctl.errors",
    "JobSource": "ftctl._async.client",
    "JobState": "ftctl.models",
    "NameTaken": "ftctl.errors",
    "Notice": "ftctl.models",
    "Outcome": "ftctl.models",
    "OutcomeReason": "ftctl.models",
    "Phase": "ftctl.models",
    "Planned": "ftctl.models",
    "Progress": "ftctl.models",
    "ProgressMade": "ftctl.models",
    "Score": "ftctl.models",
    "StateChanged": "ftctl.models",
    "WatchInterrupted": "ftctl.errors",
}

__all__ = [
    "AmbiguousJob",
    "Artifact",
    "ArtifactMade",
    "BadInput",
    "BadJobFile",
    "CheckpointSaved",
    "Client",
    "DaemonError",
    "DaemonUnreachable",
    "Epoch",
    "EpochEnded",
    "Event",
    "Fault",
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
    "NameTaken",
    "Notice",
    "Outcome",
    "OutcomeReason",
    "Phase",
    "Planned",
    "Progress",
    "ProgressMade",
    "Score",
    "StateChanged",
    "WatchInterrupted",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module `ftctl` has no attribute `{name}`")
    return getattr(import_module(_HOME_OF[name]), name)


def __dir__() -> list[str]:
    return list(__all__)
