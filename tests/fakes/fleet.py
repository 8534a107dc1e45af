"""A machine with four devices that is well used: what its daemon says of it."""

from datetime import datetime, timedelta
from typing import Any

from finetuned.v1 import device_pb2, job_pb2
from tests.fakes import story
from tests.fakes.scripted_daemon import START, FakeDaemon

GIB = 2**30
NOW = START + timedelta(minutes=23, seconds=10)


def load(daemon: FakeDaemon, *, waiting: int = 40) -> None:
    """Give a daemon the machine and its jobs."""
    daemon.devices.all[:] = devices()
    for job in [*running(), *queue(waiting)]:
        daemon.jobs[job.id] = job
        daemon.events[job.id] = []


def device(number: int, **fields: Any) -> device_pb2.Device:
    """Return an H200 on which nothing runs."""
    known: dict[str, Any] = {
        "id": f"gpu-{number:x}f2a9c1d",
        "uuid": f"GPU-{number:x}f2a9c1d-5d4c-41a6-9e0b-7f1c2d3e4f50",
        "kind": device_pb2.DEVICE_KIND_GPU,
        "name": "NVIDIA H200",
        "state": device_pb2.DEVICE_STATE_FREE,
        "cpus": 16,
        "memory_total_bytes": 139 * GIB,
        "utilization": 0.0,
        "temperature_celsius": 31.0,
        "energy_joules": 81e6,
        "sample_time": START,
    }
    return device_pb2.Device(**{**known, **fields})


def devices() -> list[device_pb2.Device]:
    """Return devices in every state that a table has to show."""
    return [
        device(
            3,
            state=device_pb2.DEVICE_STATE_BUSY,
            memory_used_bytes=61 * GIB,
            memory_reserved_bytes=80 * GIB,
            memory_foreign_bytes=9 * GIB,
            utilization=0.97,
            temperature_celsius=71.0,
            jobs=[on("ants-bees-frozen", 1, 11), on("flowers-full", 2, 69)],
            foreign=[
                device_pb2.ForeignProcess(pid=41242, name="python3", memory_bytes=8 * GIB),
                device_pb2.ForeignProcess(pid=981, memory_bytes=GIB),
            ],
        ),
        device(
            5,
            state=device_pb2.DEVICE_STATE_DRAINING,
            reason="drained by lena: new fan at noon",
            memory_used_bytes=20 * GIB,
            memory_reserved_bytes=139 * GIB,
            utilization=0.64,
            temperature_celsius=58.0,
            jobs=[on("market1501-reid-resnet50-triplet-seed-0", 3)],
        ),
        device(9),
        device(
            12,
            state=device_pb2.DEVICE_STATE_UNHEALTHY,
            reason="its driver reports XID 79: the GPU has fallen off the bus",
            utilization=None,
            temperature_celsius=None,
            xid_errors={79: 1, 13: 3},
        ),
    ]


def on(name: str, number: int, memory: int | None = None) -> device_pb2.DeviceJob:
    """Return a job on a device."""
    return device_pb2.DeviceJob(
        job_id=f"{number:032x}", name=name, memory_bytes=memory and memory * GIB
    )


def running() -> list[job_pb2.Job]:
    """Return the jobs on those devices."""
    return [
        job(1, "ants-bees-frozen", device="gpu-3f2a9c1d", at=(12, 25), rate=1204.0),
        job(2, "flowers-full", device="gpu-3f2a9c1d", at=(3, 90), rate=846.0),
        job(
            3, "market1501-reid-resnet50-triplet-seed-0", device="gpu-5f2a9c1d", at=(41, 120),
            rate=2310.0,
        ),
        job_pb2.Job(
            id=f"{4:032x}", spec=job_pb2.JobSpec(name="cifar10-student"), create_time=START,
            state=job_pb2.JOB_STATE_STARTING, attempt=1, start_time=NOW,
            attempts=[attempt("gpu-9f2a9c1d", NOW)],
        ),
    ]  # fmt: skip


def attempt(device: str, start: datetime) -> job_pb2.Attempt:
    """Return an attempt that still holds its device."""
    return job_pb2.Attempt(number=1, devices=[device], start_time=start)


def job(number: int, name: str, *, device: str, at: tuple[int, int], rate: float) -> job_pb2.Job:
    """Return a job in the middle of an epoch."""
    epoch, epochs = at
    begun = START + timedelta(seconds=number)
    steps = epochs * story.STEPS_PER_EPOCH
    last = story.epoch(epoch - 1)
    last.memory_bytes, last.seconds = number * 5 * GIB // 2, 14.2 * number
    return job_pb2.Job(
        id=f"{number:032x}",
        spec=job_pb2.JobSpec(name=name, priority=10),
        state=job_pb2.JOB_STATE_RUNNING,
        create_time=begun,
        start_time=begun,
        attempt=1,
        attempts=[attempt(device, begun)],
        epochs=[last],
        progress=job_pb2.Progress(
            epoch=epoch, epochs=epochs, step=(epoch - 1) * story.STEPS_PER_EPOCH + 30, steps=steps,
            loss=0.7 / epoch, images_per_second=rate, phase=job_pb2.PHASE_TRAINING,
        ),
    )  # fmt: skip


REASONS = (
    "needs 60 GiB of one device: the most that is free is 50 GiB, on gpu-3f2a9c1d",
    "waits for ants-bees-frozen",
    "starts not before 2026-11-22T07:00:00Z",
    "waits behind 3 jobs of higher priority",
    "plan pending",
)


def queue(count: int) -> list[job_pb2.Job]:
    """Return jobs that wait, each for a reason."""
    return [
        job_pb2.Job(
            id=f"{100 + number:032x}",
            spec=job_pb2.JobSpec(name=f"sweep-lr-{number:02}", priority=max(20 - 10 * number, 0)),
            state=job_pb2.JOB_STATE_QUEUED,
            reason=REASONS[number % len(REASONS)],
            create_time=START + timedelta(seconds=20 * number),
        )
        for number in range(count)
    ]
