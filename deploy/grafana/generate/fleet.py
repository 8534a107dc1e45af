"""The dashboard of all devices and jobs: is the machine well, and is it used?"""

from collections.abc import Sequence
from dataclasses import replace

from grafana_foundation_sdk.builders import dashboard as board

from deploy.grafana.generate import fleet_daemon, fleet_devices, fleet_jobs, panels
from deploy.grafana.generate.panels import AMBER, BLUE, GREEN, RED, WHOLE, Look, Panel, number
from deploy.grafana.generate.selectors import OF, ON

UP = Look(words={"1": ("up", GREEN), "0": ("down", RED)}, steps=((None, RED), (1, GREEN)))


def dashboard() -> board.Dashboard:
    """Return the dashboard."""
    page = _head()
    panels.add_row(page, "Now", _now())
    panels.add_row(page, "Devices", fleet_devices.states())
    panels.add_row(page, "Figures of the devices", fleet_devices.figures())
    panels.add_row(page, "Jobs", fleet_jobs.jobs())
    panels.add_row(page, "Waiting and starting", fleet_jobs.waits())
    panels.add_row(page, "Calls", fleet_daemon.calls())
    panels.add_row(page, "The daemon", fleet_daemon.inside())
    return page


def _head() -> board.Dashboard:
    devices = f"label_values(ftd_device_info{{{ON}}}, device)"
    return (
        panels.page("finetuned: fleet", "ftd-fleet", "All devices and jobs of the daemons.")
        .with_variable(panels.variable("device", "Device", devices, has_all=True))
        .annotation(
            board.AnnotationQuery()
            .name("Alerts")
            .datasource(panels.SOURCE)
            .enable(True)
            .icon_color(RED)
            .expr(f'ALERTS{{alertstate="firing", {ON}}}')
        )
    )


def _now() -> Sequence[Panel]:
    return (
        number(
            "Daemon", "Whether Prometheus can read the daemon; of several, the worst.",
            f'min(up{{job="ftd", {ON}}})', UP,
        ),
        number("Running", "Jobs that train.", f'sum(ftd_jobs{{state="running", {ON}}})', WHOLE),
        number(
            "Waiting", "Jobs in the queue; `ftctl list` gives each one's reason.",
            f'sum(ftd_jobs{{state="queued", {ON}}})', WHOLE,
        ),
        number(
            "Devices free", "Devices that are well and have no job.",
            f'sum(ftd_device_state{{state="free", {OF}}})',
            replace(WHOLE, steps=((None, BLUE), (1, GREEN))),
        ),
        number(
            "Devices out", "Devices that take no jobs: draining, drained or unhealthy.",
            f'sum(ftd_device_state{{state=~"draining|drained|unhealthy", {OF}}})',
            replace(WHOLE, steps=((None, GREEN), (1, AMBER))),
        ),
        number(
            "Images per second", "Training throughput of all jobs, over the last minute.",
            f"sum(instance:ftd_job_images:rate1m{{{ON}}})", Look(decimals=0),
        ),
        number(
            "Failed, last hour", "Jobs that ended FAILED within the last hour.",
            f"sum(reason:ftd_jobs_failed:increase1h{{{ON}}})",
            Look(decimals=0, steps=((None, GREEN), (0.5, AMBER), (2.5, RED))),
        ),
        number(
            "Disk left", "Space for checkpoints, models and the queue; of several, the least.",
            f"min(ftd_state_free_bytes{{{ON}}})",
            Look(
                unit="bytes", decimals=1,
                steps=((None, RED), (2**30, AMBER), (10 * 2**30, GREEN)),
            ),
        ),
    )  # fmt: skip
