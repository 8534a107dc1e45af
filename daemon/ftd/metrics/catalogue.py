"""Every metric that the daemon exports: the one list of names, units, labels and meanings.

The collector makes its families of these rows and `docs/metrics.md` is generated from them. Names
are the ones a query uses; base units throughout; no label is called `job` or `instance`, which
Prometheus sets itself.
"""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What a metric is."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"
    INFO = "info"
    """A gauge that is always 1 and tells by its labels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric."""

    name: str
    """As in a query; of a histogram without `_bucket`, `_count` and `_sum`."""
    kind: Kind
    help: str
    present: str
    """When there is a series of it."""
    unit: str = ""
    """The base unit, which the name ends with too; empty for a plain number."""
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    """Upper ends of a histogram's buckets, without the last, which has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chapter:
    """Metrics that belong together."""

    title: str
    metrics: tuple[Metric, ...]


ALWAYS = "always"
A_JOB = "while the job holds a device, and `metrics.grace` after its end"
STEPPED = f"{A_JOB}, from its first finished step on"
SCORED = f"{A_JOB}, from its first finished epoch on"
MEASURED = f"{A_JOB}, once it was measured"
DECLARED = f"{A_JOB}, where the file says it"
A_DEVICE = "always, for each device"
READ = "for each device, after its first reading"
TELLS = "for each device that can tell"

WAITS = (0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600, 14400, 43200, 86400)
STARTS = (0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2.5, 5, 10, 30, 60, 300)
COMMITS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5)
CALLS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600)


def _counter(name: str, text: str, *labels: str, unit: str = "", present: str = ALWAYS) -> Metric:
    return Metric(
        name=name, kind=Kind.COUNTER, help=text, labels=labels, unit=unit, present=present
    )


def _gauge(name: str, text: str, *labels: str, unit: str = "", present: str = ALWAYS) -> Metric:
    return Metric(name=name, kind=Kind.GAUGE, help=text, labels=labels, unit=unit, present=present)


def _info(name: str, text: str, *labels: str, present: str = ALWAYS) -> Metric:
    return Metric(name=name, kind=Kind.INFO, help=text, labels=labels, present=present)


def _seconds(
    name: str, text: str, *labels: str, buckets: tuple[float, ...], present: str = ALWAYS
) -> Metric:
    return Metric(
        name=name, kind=Kind.HISTOGRAM, help=text, labels=labels, unit="seconds",
        buckets=buckets, present=present,
    )  # fmt: skip


BUILD_INFO = _info("ftd_build_info", "What runs here.", "version", "python", "torch")
ZYGOTE_UP = _gauge("ftd_zygote_up", "1 while workers can be forked, 0 while they cannot.")
STATE_FREE = _gauge(
    "ftd_state_free_bytes",
    "Space that is left to the daemon on the disk of its state directory.",
    unit="bytes",
)
WATCHERS = _gauge("ftd_watchers", "Clients that follow a job at this moment.")
JOURNAL_LAG = _gauge(
    "ftd_journal_lag_bytes",
    "What running workers have written into their journals and the daemon has not stored yet.",
    unit="bytes",
)
STORE_SIZE = _gauge(
    "ftd_store_size_bytes", "Size of the database, its log of writes included.", unit="bytes"
)
STORE_COMMIT = _seconds(
    "ftd_store_commit_seconds",
    "Time that a commit of the database took; `_count` is the number of commits.",
    buckets=COMMITS,
)

JOBS = _gauge(
    "ftd_jobs", "Jobs in each state, those that ended before this start included.", "state"
)
SUBMITTED = _counter("ftd_jobs_submitted_total", "Jobs accepted since the daemon started.")
FINISHED = _counter(
    "ftd_jobs_finished_total", "Jobs that ended in whatever way since the daemon started."
)
FAILED = _counter(
    "ftd_jobs_failed_total", "Those of them that ended FAILED, by the reason of it.", "reason"
)
RETRIED = _counter(
    "ftd_jobs_retried_total",
    "Failures after which a job was started again, by the reason of them.",
    "reason",
)
CANCELLED = _counter("ftd_jobs_cancelled_total", "Those of them that their users cancelled.")
QUEUE_WAIT = _seconds(
    "ftd_job_queue_wait_seconds",
    "Time from entering the queue to leaving it for a device, observed on leaving.",
    buckets=WAITS,
)
START = _seconds(
    "ftd_job_start_seconds",
    "Time from leaving the queue to the first finished step, observed at that step. "
    "`warm` is true where a worker waited for the job, false where one was forked for it.",
    "warm",
    buckets=STARTS,
)

JOB_INFO = _info(
    "ftd_job_info",
    "What the job is. `device` holds all its devices, parted by commas.",
    "job_id", "name", "model", "device",
    present=A_JOB,
)  # fmt: skip
JOB_DEVICE = _info(
    "ftd_job_device_info",
    "One series for each device that the job holds, to join jobs with devices.",
    "job_id", "device",
    present=A_JOB,
)  # fmt: skip
JOB_STARTED = _gauge(
    "ftd_job_start_timestamp_seconds",
    "When the job's first worker started.",
    "job_id", unit="seconds", present=A_JOB,
)  # fmt: skip
JOB_TOLD = _gauge(
    "ftd_job_last_progress_timestamp_seconds",
    "When the job's worker was last heard of: a step, a phase, an epoch, its start.",
    "job_id", unit="seconds", present=A_JOB,
)  # fmt: skip
JOB_DEVICE_SECONDS = _counter(
    "ftd_job_device_seconds_total",
    "Time that the job has held devices, summed over them.",
    "job_id", unit="seconds", present=A_JOB,
)  # fmt: skip
JOB_EPOCH = _gauge("ftd_job_epoch", "Epoch in progress, from 1.", "job_id", present=STEPPED)
JOB_EPOCHS = _gauge("ftd_job_epochs", "Epochs in all.", "job_id", present=STEPPED)
JOB_PROGRESS = _gauge(
    "ftd_job_progress_ratio",
    "Share of its optimizer steps that the job has finished, 0 to 1.",
    "job_id", unit="ratio", present=STEPPED,
)  # fmt: skip
JOB_IMAGES = _counter(
    "ftd_job_images_total",
    "Images that the job has trained on; each counts in every epoch.",
    "job_id", present=STEPPED,
)  # fmt: skip
JOB_RATE = _gauge(
    "ftd_job_images_per_second",
    "Training throughput of the last interval that the worker told.",
    "job_id", present=STEPPED,
)  # fmt: skip
JOB_DATA_WAIT = _gauge(
    "ftd_job_data_wait_ratio",
    "Share of that interval in which training waited for images, 0 to 1.",
    "job_id", unit="ratio", present=STEPPED,
)  # fmt: skip
JOB_DATA_WAIT_SECONDS = _counter(
    "ftd_job_data_wait_seconds_total",
    "Time that training has waited for images.",
    "job_id", unit="seconds", present=STEPPED,
)  # fmt: skip
JOB_LOSS = _gauge(
    "ftd_job_loss",
    "Mean loss of the last finished epoch; `split` is train or val.",
    "job_id", "split", present=SCORED,
)  # fmt: skip
JOB_ACCURACY = _gauge(
    "ftd_job_accuracy",
    "Share of the images of the last finished epoch classified correctly, 0 to 1.",
    "job_id", "split", present=SCORED,
)  # fmt: skip
JOB_MEMORY_USED = _gauge(
    "ftd_job_memory_used_bytes",
    "Memory of its devices that the job uses, summed over them.",
    "job_id", unit="bytes", present=MEASURED,
)  # fmt: skip
JOB_MEMORY_PEAK = _gauge(
    "ftd_job_memory_peak_bytes",
    "The most of it that was seen.",
    "job_id", unit="bytes", present=MEASURED,
)  # fmt: skip
JOB_MEMORY_DECLARED = _gauge(
    "ftd_job_memory_declared_bytes",
    "What the job's file says that it needs, summed over its devices.",
    "job_id", unit="bytes", present=DECLARED,
)  # fmt: skip

DEVICE_INFO = _info(
    "ftd_device_info",
    "What the device is; `kind` is gpu, mig, cpu or simulated.",
    "device", "uuid", "kind", "name",
    present=A_DEVICE,
)  # fmt: skip
DEVICE_STATE = _gauge(
    "ftd_device_state",
    "1 for the state in which the device is, 0 for the others: free, busy, draining, drained, "
    "unhealthy.",
    "device", "state", present=A_DEVICE,
)  # fmt: skip
DEVICE_JOBS = _gauge("ftd_device_jobs", "Jobs that hold the device.", "device", present=A_DEVICE)
DEVICE_LEFT = _gauge(
    "ftd_device_left_processes",
    "Processes of jobs that have ended, which nothing could end; the device waits for them.",
    "device", present=A_DEVICE,
)  # fmt: skip
DEVICE_TOTAL = _gauge(
    "ftd_device_memory_total_bytes", "Memory of the device.",
    "device", unit="bytes", present=A_DEVICE,
)  # fmt: skip
DEVICE_USED = _gauge(
    "ftd_device_memory_used_bytes", "Memory in use by anybody.",
    "device", unit="bytes", present=READ,
)  # fmt: skip
DEVICE_RESERVED = _gauge(
    "ftd_device_memory_reserved_bytes",
    "Memory that the jobs on it have declared; all of it where a job has it for itself.",
    "device", unit="bytes", present=A_DEVICE,
)  # fmt: skip
DEVICE_FOREIGN = _gauge(
    "ftd_device_memory_foreign_bytes",
    "Memory held by processes that are no job's; jobs cannot have it.",
    "device", unit="bytes", present=READ,
)  # fmt: skip
DEVICE_UTILIZATION = _gauge(
    "ftd_device_utilization_ratio",
    "Share of the time in which the device worked, 0 to 1.",
    "device", unit="ratio", present=TELLS,
)  # fmt: skip
DEVICE_TEMPERATURE = _gauge(
    "ftd_device_temperature_celsius", "Temperature of the device.",
    "device", unit="celsius", present=TELLS,
)  # fmt: skip
DEVICE_ENERGY = _counter(
    "ftd_device_energy_joules_total", "Energy used since the driver was loaded.",
    "device", unit="joules", present=TELLS,
)  # fmt: skip
DEVICE_XID = _counter(
    "ftd_device_xid_errors_total",
    "Errors that the driver reported since the daemon started, by XID.",
    "device", "xid",
    present="for each device but a processor: the XIDs that mean a broken device, others once seen",
)  # fmt: skip
DEVICE_SAMPLED = _gauge(
    "ftd_device_sample_timestamp_seconds",
    "When these figures of the device were read.",
    "device", unit="seconds", present=READ,
)  # fmt: skip

GRPC_HANDLED = _counter(
    "grpc_server_handled_total",
    "Calls that were answered, streams when they end, by gRPC's code.",
    "grpc_type", "grpc_service", "grpc_method", "grpc_code",
    present="always for every method of `finetuned.v1`, with every code that it is known to give",
)  # fmt: skip
GRPC_SECONDS = _seconds(
    "grpc_server_handling_seconds",
    "Time from a call to the end of its answer; a followed job's stream lasts as long as it is "
    "followed.",
    "grpc_type", "grpc_service", "grpc_method",
    buckets=CALLS,
    present="always for every method of `finetuned.v1`",
)  # fmt: skip

PROCESS = (
    _gauge("process_virtual_memory_bytes", "Virtual memory size in bytes.", unit="bytes"),
    _gauge("process_resident_memory_bytes", "Resident memory size in bytes.", unit="bytes"),
    _gauge(
        "process_start_time_seconds",
        "Start time of the process since unix epoch in seconds.",
        unit="seconds",
    ),
    _counter(
        "process_cpu_seconds_total",
        "Total user and system CPU time spent in seconds.",
        unit="seconds",
    ),
    _gauge("process_open_fds", "Number of open file descriptors."),
    _gauge("process_max_fds", "Maximum number of open file descriptors."),
)

CHAPTERS = (
    Chapter(
        title="The daemon",
        metrics=(
            BUILD_INFO, ZYGOTE_UP, STATE_FREE, STORE_SIZE, STORE_COMMIT, JOURNAL_LAG, WATCHERS,
        ),
    ),
    Chapter(
        title="Jobs together",
        metrics=(JOBS, SUBMITTED, FINISHED, FAILED, RETRIED, CANCELLED, QUEUE_WAIT, START),
    ),
    Chapter(
        title="Each job that runs",
        metrics=(
            JOB_INFO, JOB_DEVICE, JOB_STARTED, JOB_TOLD, JOB_DEVICE_SECONDS, JOB_MEMORY_USED,
            JOB_MEMORY_PEAK, JOB_MEMORY_DECLARED, JOB_EPOCH, JOB_EPOCHS, JOB_PROGRESS, JOB_IMAGES,
            JOB_RATE, JOB_DATA_WAIT, JOB_DATA_WAIT_SECONDS, JOB_LOSS, JOB_ACCURACY,
        ),
    ),
    Chapter(
        title="Each device",
        metrics=(
            DEVICE_INFO, DEVICE_STATE, DEVICE_JOBS, DEVICE_LEFT, DEVICE_TOTAL, DEVICE_USED,
            DEVICE_RESERVED, DEVICE_FOREIGN, DEVICE_UTILIZATION, DEVICE_TEMPERATURE,
            DEVICE_ENERGY, DEVICE_XID, DEVICE_SAMPLED,
        ),
    ),
    Chapter(title="Calls", metrics=(GRPC_HANDLED, GRPC_SECONDS)),
    Chapter(title="The process of the daemon", metrics=PROCESS),
)  # fmt: skip

METRICS = tuple(metric for chapter in CHAPTERS for metric in chapter.metrics)
