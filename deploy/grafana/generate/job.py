"""The dashboard of one job: does it learn, is it quick, what does it hold?"""

from collections.abc import Sequence
from dataclasses import replace

from grafana_foundation_sdk.builders import dashboard as board
from grafana_foundation_sdk.models import dashboard as model

from deploy.grafana.generate import panels
from deploy.grafana.generate.panels import (
    AMBER,
    BYTES,
    GREEN,
    NUMBER,
    RED,
    SECONDS,
    SHARE,
    WHOLE,
    Look,
    Panel,
    graph,
    number,
    rows,
)
from deploy.grafana.generate.selectors import JOB, ON

ITS_DEVICES = (
    f"on (instance, device) group_left () "
    f"(max by (instance, device) (ftd_job_device_info{{{JOB}}}))"
)
SPLIT = "{{split}}"
WHOLE_SECONDS = replace(SECONDS, decimals=0)
SHARE_NOW = Look(unit="percentunit", decimals=1, max=1)


def dashboard() -> board.Dashboard:
    """Return the dashboard."""
    page = _head()
    panels.add_row(page, "$name", _now())
    panels.add_row(page, "Learning", _learning())
    panels.add_row(page, "Speed", _speed())
    panels.add_row(page, "Memory and devices", _devices())
    return page


def _head() -> board.Dashboard:
    names = f"label_values(ftd_job_info{{{ON}}}, name)"
    ids = f'label_values(ftd_job_info{{{ON}, name="$name"}}, job_id)'
    return (
        panels.page("finetuned: job", "ftd-job", "One job: what it learns, how fast, on what.")
        .with_variable(panels.variable("name", "Job", names, has_all=False))
        .with_variable(panels.variable("job_id", "Id", ids, has_all=False))
        .link(
            board.DashboardLink("Fleet")
            .type(model.DashboardLinkType.LINK)
            .icon("dashboard")
            .tooltip("All devices and jobs")
            .url("/d/ftd-fleet?var-datasource=${datasource}")
            .keep_time(True)
        )
    )


def _now() -> Sequence[Panel]:
    return (
        number(
            "Progress", "Share of its optimizer steps that the job has finished.",
            f"ftd_job_progress_ratio{{{JOB}}}", SHARE_NOW,
        ),
        number("Epoch", "The epoch in progress, from 1.", f"ftd_job_epoch{{{JOB}}}", WHOLE),
        number("of", "Epochs in all.", f"ftd_job_epochs{{{JOB}}}", WHOLE),
        number(
            "Time left", "An estimate from the pace of the last 5 minutes.",
            f"job_id:ftd_job_remaining_seconds:estimate5m{{{JOB}}}", WHOLE_SECONDS,
        ),
        number(
            "Since it began", "Time since the job's first worker started.",
            f"time() - ftd_job_start_timestamp_seconds{{{JOB}}}", WHOLE_SECONDS,
        ),
        number(
            "Last heard of", "Time since the worker last told a step, a phase or an epoch.",
            f"time() - ftd_job_last_progress_timestamp_seconds{{{JOB}}}",
            Look(unit="s", decimals=0, steps=((None, GREEN), (300, AMBER), (900, RED))),
        ),
        number(
            "Accuracy",
            "Share of the validation images classified correctly, last finished epoch.",
            f'ftd_job_accuracy{{split="val", {JOB}}}', SHARE_NOW,
        ),
        number(
            "Device time", "Time that the job has held devices, summed over them.",
            f"ftd_job_device_seconds_total{{{JOB}}}", WHOLE_SECONDS,
        ),
        rows(
            "What it is", "The job's name, id, model and devices.",
            f"max by (instance, job_id, name, model, device) (ftd_job_info{{{JOB}}})",
            names={
                "name": "Name", "job_id": "Id", "model": "Model", "device": "Devices",
                "instance": "Daemon",
            },
            height=4,
        ),
    )  # fmt: skip


def _learning() -> Sequence[Panel]:
    return (
        graph(
            "Loss",
            "Mean loss of the last finished epoch. Val rising while train falls: it learns "
            "the training images by heart.",
            {SPLIT: f"ftd_job_loss{{{JOB}}}"},
            replace(NUMBER, min=None), span=12,
        ),
        graph(
            "Accuracy", "Share of the images of the last finished epoch classified correctly.",
            {SPLIT: f"ftd_job_accuracy{{{JOB}}}"}, SHARE, span=12,
        ),
    )  # fmt: skip


def _speed() -> Sequence[Panel]:
    return (
        graph(
            "Images per second",
            "Throughput as the worker tells it while it trains, and over the last minute with "
            "validation and checkpoints within it.",
            {
                "while training": f"ftd_job_images_per_second{{{JOB}}}",
                "all in all": f"job_id:ftd_job_images:rate1m{{{JOB}}}",
            },
        ),
        graph(
            "Waiting for images",
            "Share of the time in which training waited for images; near 100 %, reading and "
            "decoding are the bottleneck, not the device.",
            {
                "while training": f"ftd_job_data_wait_ratio{{{JOB}}}",
                "all in all": f"rate(ftd_job_data_wait_seconds_total{{{JOB}}}[$__rate_interval])",
            },
            replace(SHARE, steps=((None, GREEN), (0.5, AMBER))),
        ),
        graph(
            "Images so far", "Images that the job has trained on; each counts in every epoch.",
            {"images": f"ftd_job_images_total{{{JOB}}}"},
        ),
    )  # fmt: skip


def _devices() -> Sequence[Panel]:
    return (
        graph(
            "Memory",
            "Memory of its devices that the job uses, the most that was seen, and what its "
            "file declares.",
            {
                "used": f"ftd_job_memory_used_bytes{{{JOB}}}",
                "peak": f"ftd_job_memory_peak_bytes{{{JOB}}}",
                "declared": f"ftd_job_memory_declared_bytes{{{JOB}}}",
            },
            BYTES,
        ),
        graph(
            "Memory of its devices",
            "Share of its devices' memory in use by anybody, this job included.",
            {
                "{{device}}": f"device:ftd_device_memory_used:ratio * {ITS_DEVICES}"
            },
            SHARE,
        ),
        graph(
            "Utilisation of its devices",
            "Share of the time in which they worked. Simulated ones cannot tell.",
            {
                "{{device}}": f"ftd_device_utilization_ratio * {ITS_DEVICES}"
            },
            SHARE,
        ),
    )  # fmt: skip
