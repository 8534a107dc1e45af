"""The daemon and its users, from proto."""

from datetime import UTC

from finetuned.v1 import daemon_service_pb2 as pb
from ftctl.daemon import Daemon, UserUsage


def daemon(message: pb.Daemon) -> Daemon:
    """Return the daemon of a message."""
    return Daemon(
        version=message.version,
        time=message.time.ToDatetime(UTC),
        start_time=message.start_time.ToDatetime(UTC),
        disk_free_bytes=message.disk_free_bytes,
        disk_bytes=message.disk_bytes,
        user=message.user,
        is_admin=message.is_admin,
        data_roots=tuple(message.data_roots),
        any_path=message.any_path,
    )


def usage(message: pb.UserUsage) -> UserUsage:
    """Return a user's share of a message."""
    return UserUsage(
        user=message.user,
        queued=message.queued,
        running=message.running,
        ended=message.ended,
        device_seconds=message.device_seconds,
    )
