"""The fleet's devices: what they do, what is on them, how they fare."""

from collections.abc import Sequence
from dataclasses import replace

from deploy.grafana.generate.panels import (
    AMBER,
    BLUE,
    BYTES,
    FILLING,
    GREEN,
    GREY,
    RED,
    SHARE,
    WHOLE,
    Column,
    Look,
    Panel,
    graph,
    rows,
    timeline,
)
from deploy.grafana.generate.selectors import OF, ON

DEVICE_WORDS = {
    "0": ("free", GREEN),
    "1": ("busy", BLUE),
    "2": ("draining", AMBER),
    "3": ("drained", GREY),
    "4": ("unhealthy", RED),
}


def states() -> Sequence[Panel]:
    """Return the panels of what they do and have on them."""
    return (
        timeline(
            "State", "What each device was doing.",
            "{{device}}", _state_code(), Look(words=DEVICE_WORDS), span=16,
        ),
        rows(
            "Alerts",
            "Alerts that fire now; deploy/prometheus/README.md says what to do about each.",
            f'max by (alertname, severity, instance) (ALERTS{{alertstate="firing", {ON}}})',
            names={"alertname": "Alert", "severity": "Severity", "instance": "Daemon"}, span=8,
        ),
        _device_table(),
    )  # fmt: skip


def figures() -> Sequence[Panel]:
    """Return the panels of memory, utilisation, temperature, power and errors."""
    return (
        graph(
            "Memory in use", "Share of each device's memory in use by anybody.",
            {"{{device}}": f"device:ftd_device_memory_used:ratio{{{OF}}}"},
            replace(FILLING, decimals=None),
        ),
        graph(
            "Whose memory",
            "Memory of all devices: promised to jobs, and held by processes that are no job's.",
            {
                "jobs": f"sum(ftd_device_memory_reserved_bytes{{{OF}}})",
                "foreign": f"sum(ftd_device_memory_foreign_bytes{{{OF}}})",
            },
            BYTES, is_stacked=True,
        ),
        graph(
            "Utilisation",
            "Share of the time in which each device worked. Simulated ones cannot tell.",
            {"{{device}}": f"ftd_device_utilization_ratio{{{OF}}}"}, SHARE,
        ),
        graph(
            "Temperature", "Temperature of each device that can tell.",
            {"{{device}}": f"ftd_device_temperature_celsius{{{OF}}}"},
            Look(unit="celsius", min=20, steps=((None, GREEN), (85, RED))), span=6,
        ),
        graph(
            "Power", "Power that each device draws, from its count of energy.",
            {"{{device}}": f"device:ftd_device_power_watts:rate2m{{{OF}}}"},
            Look(unit="watt"), span=6,
        ),
        graph(
            "Jobs per device", "Jobs that hold each device; several where memory is declared.",
            {"{{device}}": f"ftd_device_jobs{{{OF}}}"}, WHOLE, span=6,
        ),
        graph(
            "XID errors", "Errors that the driver reported since the daemon started, by XID.",
            {
                "{{device}}: XID {{xid}}": "sum by (device, xid) "
                f"(ftd_device_xid_errors_total{{{OF}}}) > 0"
            },
            Look(decimals=0, steps=((None, RED),)), span=6,
        ),
    )  # fmt: skip


def _state_code() -> str:
    """Return an expression that tells each device's state by the numbers of `DEVICE_WORDS`."""
    codes = " or ".join(
        f'{code} * (ftd_device_state{{state="{name}", {OF}}} == 1)'
        for code, (name, _) in DEVICE_WORDS.items()
    )
    return f"sum by (instance, device) ({codes})"


def _device_table() -> Panel:
    def column(title: str, metric: str, look: Look, *, is_gauge: bool = False) -> Column:
        expr = f"sum by (instance, device) ({metric}{{{OF}}})"
        return Column(title=title, expr=expr, look=look, is_gauge=is_gauge)

    return rows(
        "Devices now", "What each device is and has on it at this moment.",
        f"max by (instance, device, kind, name) (ftd_device_info{{{OF}}})",
        (
            column("Jobs", "ftd_device_jobs", WHOLE),
            column("Memory", "ftd_device_memory_total_bytes", BYTES),
            column("In use", "device:ftd_device_memory_used:ratio", FILLING, is_gauge=True),
            column("Reserved", "ftd_device_memory_reserved_bytes", BYTES),
            column("Foreign", "ftd_device_memory_foreign_bytes", BYTES),
            column(
                "Utilisation", "ftd_device_utilization_ratio",
                Look(unit="percentunit", decimals=0, max=1), is_gauge=True,
            ),
            column("Temperature", "ftd_device_temperature_celsius", Look(unit="celsius")),
            column("Power", "device:ftd_device_power_watts:rate2m", Look(unit="watt", decimals=0)),
        ),
        names={"device": "Device", "kind": "Kind", "name": "Name", "instance": "Daemon"},
    )  # fmt: skip
