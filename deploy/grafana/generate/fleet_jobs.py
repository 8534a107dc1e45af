"""The fleet's jobs: those that run, those that wait, those that ended."""

from collections.abc import Sequence

from deploy.grafana.generate.panels import (
    BYTES,
    NUMBER,
    SECONDS,
    WHOLE,
    Column,
    Look,
    Panel,
    graph,
    rows,
)
from deploy.grafana.generate.selectors import OF, ON

TO_THE_JOB = (
    "/d/ftd-job?var-datasource=${datasource}&var-instance=${__data.fields.Daemon}"
    "&var-name=${__data.fields.Name}&var-job_id=${__data.fields.Id}&${__url_time_range}"
)


def jobs() -> Sequence[Panel]:
    """Return the panels of the jobs."""
    return (
        _job_table(),
        graph(
            "Jobs under way", "Jobs that have not ended, by state.",
            {
                "{{state}}": "sum by (state) "
                f'(ftd_jobs{{state!~"succeeded|failed|cancelled", {ON}}})'
            },
            WHOLE, is_stacked=True,
        ),
        graph(
            "Submitted and ended", "Jobs per interval that came in and that ended.",
            {
                "submitted": _per_interval("ftd_jobs_submitted_total"),
                "ended": _per_interval("ftd_jobs_finished_total"),
                "of them failed": _per_interval("ftd_jobs_failed_total"),
                "of them cancelled": _per_interval("ftd_jobs_cancelled_total"),
            },
            NUMBER,
        ),
        graph(
            "Failed, by reason", "Jobs that ended FAILED within an hour, by the reason.",
            {
                "{{reason}}": f"sum by (reason) (reason:ftd_jobs_failed:increase1h{{{ON}}}) > 0"
            },
            NUMBER, is_stacked=True,
        ),
    )  # fmt: skip


def waits() -> Sequence[Panel]:
    """Return the panels of the queue and of starts."""
    return (
        graph(
            "Time in the queue",
            "How long jobs waited that left the queue within an hour: half of them, 95 %; of "
            "several daemons, the slowest.",
            {
                part: f"max(instance:ftd_job_queue_wait_seconds:{part}_1h{{{ON}}})"
                for part in ("p50", "p95")
            },
            SECONDS,
        ),
        graph(
            "Time to the first step",
            "From leaving the queue to the first finished step, within an hour; warm: a "
            "worker waited for the job; of several daemons, the slowest.",
            {
                f"{part}, warm: {{{{warm}}}}": "max by (warm) "
                f"(warm:ftd_job_start_seconds:{part}_1h{{{ON}}})"
                for part in ("p50", "p95")
            },
            SECONDS,
        ),
        graph(
            "Queue and free devices",
            "Jobs that wait and devices that are free: both above zero for long is odd.",
            {
                "jobs waiting": f'sum(ftd_jobs{{state="queued", {ON}}})',
                "devices free": f'sum(ftd_device_state{{state="free", {OF}}})',
            },
            WHOLE,
        ),
    )  # fmt: skip


def _per_interval(metric: str) -> str:
    return f"sum(increase({metric}{{{ON}}}[$__rate_interval]))"


def _job_table() -> Panel:
    def column(
        title: str, metric: str, look: Look = NUMBER, *, also: str = "", is_gauge: bool = False
    ) -> Column:
        expr = f"sum by (instance, job_id) ({metric}{{{also}{ON}}})"
        return Column(title=title, expr=expr, look=look, is_gauge=is_gauge)

    return rows(
        "Jobs on devices",
        "Each job that runs, or ended within the last minute. A click on its name opens it.",
        f"max by (instance, job_id, name, model, device) (ftd_job_info{{{ON}}})",
        (
            column("Epoch", "ftd_job_epoch", WHOLE),
            column("of", "ftd_job_epochs", WHOLE),
            column(
                "Progress", "ftd_job_progress_ratio",
                Look(unit="percentunit", decimals=0, max=1), is_gauge=True,
            ),
            column("Left", "job_id:ftd_job_remaining_seconds:estimate5m", SECONDS),
            column("Images/s", "job_id:ftd_job_images:rate1m", Look(decimals=0)),
            column("Loss", "ftd_job_loss", Look(decimals=3), also='split="val", '),
            column(
                "Accuracy", "ftd_job_accuracy",
                Look(unit="percentunit", decimals=1), also='split="val", ',
            ),
            column("Memory", "ftd_job_memory_used_bytes", BYTES),
        ),
        names={
            "name": "Name", "model": "Model", "device": "Device", "job_id": "Id",
            "instance": "Daemon",
        },
        height=9, link=("name", TO_THE_JOB), rising="Progress",
    )  # fmt: skip
