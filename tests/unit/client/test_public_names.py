"""The public names of the client, and what loading them costs."""

import subprocess
import sys

import pytest

import ftctl

NAMES = """
AmbiguousDevice AmbiguousJob Artifact ArtifactFile ArtifactMade ArtifactNotFound AsyncClient
AsyncJobHandle Attempt BadImage BadInput BadJobFile Blueprint CheckpointSaved CheckpointUsed
ClassScore Client Comparison Daemon DaemonError DaemonUnreachable Dataset DatasetFolder DatasetInUse
DatasetNotFound Datasets Device DeviceJob DeviceKind DeviceNotFound DeviceState Devices
DigestMismatch DiskFull Epoch EpochEnded Evaluated Evaluation EvaluationProgress EvaluationReport
Event Fault ForeignProcess FtctlError ImagesLocked InvalidDataset InvalidJob InvalidRequest Job
JobEnded JobFailed JobFile JobHandle JobInUse JobNotEnded JobNotFound JobNotRunning JobSource
JobState Jobs LayerSimilarity Metrics NameTaken NamedRecipe NotEnded Notice Outcome OutcomeReason
PermissionDenied Phase Plan Planned Prediction Progress ProgressMade PushIncomplete PushInterrupted
PushNotFound PushPhase PushProgress QueueFull Run Score Similarity Spread StateChanged StoreFailed
Summary Unauthenticated UserUsage WatchInterrupted
"""

# What the client's start must not wait for, and what the client must never load.
HEAVY = {"asyncio", "grpc", "google", "rich", "ruamel", "dataclasses"}
FOREIGN = {"torch", "torchvision", "numpy", "pydantic", "ftd", "PIL", "fttrain.spec"}


def loaded(code, names):
    script = f"{code}\nimport sys\nprint(*({names!r} & set(sys.modules)), file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return done.stderr.split()


def test_the_public_names_are_these():
    assert ftctl.__all__ == NAMES.split()
    assert dir(ftctl) == NAMES.split()


@pytest.mark.parametrize("name", NAMES.split())
def test_every_public_name_is_there(name):
    assert getattr(ftctl, name) is not None


def test_another_name_is_an_error():
    with pytest.raises(AttributeError, match="module `ftctl` has no attribute `nothing`"):
        ftctl.nothing  # noqa: B018


def test_help_loads_nothing_heavy():
    code = "from ftctl.cli import main\ntry:\n    main(['--help'])\nexcept SystemExit:\n    pass"

    assert loaded(code, HEAVY | FOREIGN) == []


def test_the_whole_client_loads_nothing_of_the_daemon_or_the_engine():
    code = "import ftctl\n[getattr(ftctl, name) for name in ftctl.__all__]\n"
    verbs = "import ftctl.cli.submit, ftctl.cli.get, ftctl.cli.list, ftctl.cli.logs"

    assert loaded(code + verbs, FOREIGN) == []
    # The control: the same look does see what is loaded.
    assert loaded(code + verbs, {"grpc"}) == ["grpc"]
