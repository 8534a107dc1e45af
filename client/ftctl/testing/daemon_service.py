"""DaemonService of a fake daemon."""

import shutil
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from finetuned.v1 import daemon_service_pb2 as api
from finetuned.v1 import job_pb2
from finetuned.v1.daemon_service_pb2_grpc import DaemonServiceServicer
from ftctl import release
from ftctl.testing.ledger import Ledger


class Daemon(DaemonServiceServicer):
    """DaemonService."""

    def __init__(self, ledger: Ledger, *, user: str, folder: Path) -> None:
        self._ledger = ledger
        self._user = user
        self._folder = folder
        self._begun = datetime.now(UTC)

    def GetDaemon(self, request: api.GetDaemonRequest, context: Any) -> api.GetDaemonResponse:
        """Return the daemon."""
        disk = shutil.disk_usage(self._folder)
        told = api.Daemon(
            version=release.version(), disk_free_bytes=disk.free, disk_bytes=disk.total,
            user=self._user, is_admin=True, any_path=True,
        )  # fmt: skip
        told.time.FromDatetime(datetime.now(UTC))
        told.start_time.FromDatetime(self._begun)
        return api.GetDaemonResponse(daemon=told)

    def ListUsage(self, request: api.ListUsageRequest, context: Any) -> api.ListUsageResponse:
        """Return what each user has."""
        counts: dict[str, Counter[str]] = {}
        with self._ledger.news:
            for entry in self._ledger.entries:
                state = "ended" if entry.has_ended else "running"
                if entry.job.state == job_pb2.JOB_STATE_QUEUED:
                    state = "queued"
                counts.setdefault(entry.job.user, Counter())[state] += 1
        return api.ListUsageResponse(
            users=[api.UserUsage(user=user, **count) for user, count in sorted(counts.items())]
        )
