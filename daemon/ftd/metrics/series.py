"""The series of each metric: how a row of the catalogue is read from a snapshot."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ftd.devices.card import CRITICAL_XIDS
from ftd.devices.model import DeviceKind
from ftd.jobs.fleet import DeviceState, Standing
from ftd.metrics import catalogue as rows
from ftd.metrics import disk
from ftd.metrics.catalogue import Metric
from ftd.metrics.histogram import Distribution
from ftd.metrics.snapshot import Snapshot
from ftd.metrics.tally import Worked

Value = float | Distribution
Series = Iterator[tuple[tuple[str, ...], Value]]
"""Values of the labels, and the value."""
Reader = Callable[[Snapshot], Series]


def _one(read: Callable[[Snapshot], Value | None]) -> Reader:
    """Read a metric without labels."""

    def series(now: Snapshot) -> Series:
        if (value := read(now)) is not None:
            yield (), value

    return series


def _by_job(read: Callable[[Worked], float | None]) -> Reader:
    """Read a metric with one series for each job; None: this job has none."""

    def series(now: Snapshot) -> Series:
        for each in now.worked:
            if (value := read(each)) is not None:
                yield (each.figures.job.id,), value

    return series


def _by_device(read: Callable[[Standing], float | None]) -> Reader:
    """Read a metric with one series for each device; None: this device has none."""

    def series(now: Snapshot) -> Series:
        for each in now.standings:
            if (value := read(each)) is not None:
                yield (each.device.id,), value

    return series


# --- the daemon and its jobs together -------------------------------------------------------


def _build_info(now: Snapshot) -> Series:
    yield (now.build.version, now.build.python, now.build.torch), 1


def _jobs(now: Snapshot) -> Series:
    for state, count in now.counts.jobs.items():
        yield (state.value,), count


def _failed(now: Snapshot) -> Series:
    for reason, count in now.counts.failed.items():
        yield (reason.value,), count


def _retried(now: Snapshot) -> Series:
    for reason, count in now.counts.retried.items():
        yield (reason.value,), count


def _starts(now: Snapshot) -> Series:
    for is_warm, distribution in now.counts.starts.items():
        yield (str(is_warm).lower(),), distribution


def _handled(now: Snapshot) -> Series:
    for (call, code), count in now.counts.handled.items():
        yield (call.type, call.service, call.method, code), count


def _handling(now: Snapshot) -> Series:
    for call, distribution in now.counts.handling.items():
        yield (call.type, call.service, call.method), distribution


# --- each job -------------------------------------------------------------------------------


def _job_info(now: Snapshot) -> Series:
    for each in now.worked:
        job = each.figures.job
        yield (job.id, job.name, each.model, ",".join(each.figures.devices)), 1


def _job_devices(now: Snapshot) -> Series:
    for each in now.worked:
        for device in each.figures.devices:
            yield (each.figures.job.id, device), 1


def _score(name: str) -> Reader:
    def series(now: Snapshot) -> Series:
        for each in now.worked:
            job = each.figures.job
            for split in ("train", "val"):
                # Not every epoch has both: one may be but evaluated, another but trained.
                scores = [epoch[split] for epoch in job.epochs if epoch[split]]
                if scores:
                    yield (job.id, split), scores[-1][name]

    return series


def _progress(name: str) -> Reader:
    def read(each: Worked) -> Any:
        return (each.figures.job.progress or {}).get(name)

    return _by_job(read)


def _share_done(each: Worked) -> float | None:
    progress = each.figures.job.progress
    return progress["step"] / progress["steps"] if progress else None


def _started(each: Worked) -> float | None:
    start = each.figures.job.start_time
    return start.timestamp() if start else None


def _declared(each: Worked) -> float | None:
    request = each.figures.job.request
    return request.memory_bytes * request.devices if request.memory_bytes is not None else None


def _memory_used(each: Worked) -> float | None:
    return each.figures.memory.used_bytes if each.figures.memory else None


def _memory_peak(each: Worked) -> float | None:
    return each.figures.memory.peak_bytes if each.figures.memory else None


# --- each device ----------------------------------------------------------------------------


def _device_info(now: Snapshot) -> Series:
    for each in now.standings:
        device = each.device
        yield (device.id, device.uuid, device.kind.value, device.name), 1


def _device_state(now: Snapshot) -> Series:
    for each in now.standings:
        for state in DeviceState:
            yield (each.device.id, state.value), each.state is state


def _device_xids(now: Snapshot) -> Series:
    for each in now.standings:
        # There from the start: a rate does not see the first one of a series that begins with it.
        grave = () if each.device.kind is DeviceKind.CPU else CRITICAL_XIDS
        seen = each.reading.sample.xid_errors
        for xid in sorted({*grave, *seen}):
            yield (each.device.id, str(xid)), seen.get(xid, 0)


def _device_used(each: Standing) -> float | None:
    return each.reading.memory_used_bytes if each.reading.time else None


def _device_foreign(each: Standing) -> float | None:
    return each.reading.memory_foreign_bytes if each.reading.time else None


def _device_sampled(each: Standing) -> float | None:
    return each.reading.time.timestamp() if each.reading.time else None


READERS: Mapping[Metric, Reader] = {
    rows.BUILD_INFO: _build_info,
    rows.ZYGOTE_UP: _one(lambda now: now.is_zygote_up),
    rows.STATE_FREE: _one(lambda now: disk.free_bytes(now.place.state_dir)),
    rows.STORE_SIZE: _one(lambda now: disk.database_bytes(now.place.database)),
    rows.STORE_COMMIT: _one(lambda now: now.counts.commits),
    rows.JOURNAL_LAG: _one(lambda now: disk.journal_lag_bytes(now.holders)),
    rows.WATCHERS: _one(lambda now: now.watchers),
    rows.JOBS: _jobs,
    rows.SUBMITTED: _one(lambda now: now.counts.submitted),
    rows.FINISHED: _one(lambda now: now.counts.finished),
    rows.FAILED: _failed,
    rows.RETRIED: _retried,
    rows.CANCELLED: _one(lambda now: now.counts.cancelled),
    rows.QUEUE_WAIT: _one(lambda now: now.counts.queue_wait),
    rows.START: _starts,
    rows.JOB_INFO: _job_info,
    rows.JOB_DEVICE: _job_devices,
    rows.JOB_STARTED: _by_job(_started),
    rows.JOB_TOLD: _by_job(lambda each: each.told.timestamp()),
    rows.JOB_DEVICE_SECONDS: _by_job(lambda each: each.figures.device_seconds),
    rows.JOB_MEMORY_USED: _by_job(_memory_used),
    rows.JOB_MEMORY_PEAK: _by_job(_memory_peak),
    rows.JOB_MEMORY_DECLARED: _by_job(_declared),
    rows.JOB_EPOCH: _progress("epoch"),
    rows.JOB_EPOCHS: _progress("epochs"),
    rows.JOB_PROGRESS: _by_job(_share_done),
    rows.JOB_IMAGES: _progress("images"),
    rows.JOB_RATE: _progress("images_per_second"),
    rows.JOB_DATA_WAIT: _progress("data_wait_ratio"),
    rows.JOB_DATA_WAIT_SECONDS: _progress("data_wait_s"),
    rows.JOB_LOSS: _score("loss"),
    rows.JOB_ACCURACY: _score("accuracy"),
    rows.DEVICE_INFO: _device_info,
    rows.DEVICE_STATE: _device_state,
    rows.DEVICE_JOBS: _by_device(lambda each: len(each.guests)),
    rows.DEVICE_LEFT: _by_device(lambda each: len(each.left)),
    rows.DEVICE_TOTAL: _by_device(lambda each: each.device.memory_bytes),
    rows.DEVICE_USED: _by_device(_device_used),
    rows.DEVICE_RESERVED: _by_device(lambda each: each.reserved_bytes),
    rows.DEVICE_FOREIGN: _by_device(_device_foreign),
    rows.DEVICE_UTILIZATION: _by_device(lambda each: each.reading.sample.utilization),
    rows.DEVICE_TEMPERATURE: _by_device(lambda each: each.reading.sample.temperature_celsius),
    rows.DEVICE_ENERGY: _by_device(lambda each: each.reading.sample.energy_joules),
    rows.DEVICE_XID: _device_xids,
    rows.DEVICE_SAMPLED: _by_device(_device_sampled),
    rows.GRPC_HANDLED: _handled,
    rows.GRPC_SECONDS: _handling,
}
"""Every metric but those of the process, which prometheus_client reads."""
