"""Between the API's devices and what users of the client see."""

from finetuned.v1 import device_pb2
from ftctl import devices, wire


def device(message: device_pb2.Device) -> devices.Device:
    """Read a device."""
    return devices.Device(
        id=message.id,
        uuid=message.uuid,
        kind=wire.member(devices.DeviceKind, device_pb2.DeviceKind, message.kind, "DEVICE_KIND_"),
        name=message.name,
        state=wire.member(
            devices.DeviceState, device_pb2.DeviceState, message.state, "DEVICE_STATE_"
        ),
        reason=message.reason,
        cpus=message.cpus,
        memory_total_bytes=message.memory_total_bytes,
        memory_used_bytes=message.memory_used_bytes,
        memory_reserved_bytes=message.memory_reserved_bytes,
        memory_foreign_bytes=message.memory_foreign_bytes,
        foreign=tuple(_foreign(item) for item in message.foreign),
        jobs=tuple(_job(item) for item in message.jobs),
        utilization=_figure(message, "utilization"),
        temperature_celsius=_figure(message, "temperature_celsius"),
        energy_joules=_figure(message, "energy_joules"),
        xid_errors=dict(message.xid_errors),
        sample_time=wire.time(message, "sample_time"),
    )


def _foreign(message: device_pb2.ForeignProcess) -> devices.ForeignProcess:
    return devices.ForeignProcess(
        pid=message.pid, name=message.name, memory_bytes=message.memory_bytes
    )


def _job(message: device_pb2.DeviceJob) -> devices.DeviceJob:
    return devices.DeviceJob(
        job_id=message.job_id,
        name=message.name,
        memory_bytes=message.memory_bytes if message.HasField("memory_bytes") else None,
    )


def _figure(message: device_pb2.Device, field: str) -> float | None:
    return float(getattr(message, field)) if message.HasField(field) else None  # type: ignore[arg-type]
