"""The daemon itself: how it answers, and what it needs."""

from collections.abc import Sequence
from dataclasses import replace

from deploy.grafana.generate.panels import (
    BYTES,
    FILLING,
    NUMBER,
    PER_SECOND,
    SECONDS,
    WHOLE,
    Panel,
    graph,
)
from deploy.grafana.generate.selectors import ON

COMMITS = (
    "histogram_quantile(0.99, sum by (instance, le) "
    f"(rate(ftd_store_commit_seconds_bucket{{{ON}}}[$__rate_interval])))"
)


def calls() -> Sequence[Panel]:
    """Return the panels of the calls that it answers."""
    return (
        graph(
            "Calls", "gRPC calls that were answered, by method.",
            {
                "{{grpc_method}}": "sum by (grpc_method) "
                f"(grpc_method:grpc_server_handled:rate5m{{{ON}}}) > 0"
            },
            PER_SECOND,
        ),
        graph(
            "Calls refused", "gRPC calls whose answer was not OK, by code.",
            {
                "{{grpc_code}}": "sum by (grpc_code) (grpc_method:grpc_server_handled:rate5m"
                    f'{{grpc_code!="OK", {ON}}}) > 0'
            },
            PER_SECOND,
        ),
        graph(
            "Time of calls", "What 99 % of a method's calls stay below, streams left out.",
            {
                "{{grpc_method}}": f"grpc_method:grpc_server_handling_seconds:p99_5m{{{ON}}} >= 0"
            },
            SECONDS,
        ),
    )  # fmt: skip


def inside() -> Sequence[Panel]:
    """Return the panels of what it needs to do so."""
    return (
        graph(
            "Zygote", "1 while workers can be forked.",
            {"{{instance}}": f"ftd_zygote_up{{{ON}}}"},
            replace(WHOLE, max=1), span=6,
        ),
        graph(
            "Commits", "What 99 % of the database's commits stay below.",
            {"{{instance}}": COMMITS},
            SECONDS, span=6,
        ),
        graph(
            "Journals ahead",
            "What workers have written and the daemon has not stored yet; near zero when well.",
            {"{{instance}}": f"ftd_journal_lag_bytes{{{ON}}}"},
            BYTES, span=6,
        ),
        graph(
            "Watchers", "Clients that follow a job.",
            {"{{instance}}": f"ftd_watchers{{{ON}}}"}, WHOLE, span=6,
        ),
        graph(
            "Processor", "Cores that the daemon itself keeps busy, workers left out.",
            {
                "{{instance}}": "rate(process_cpu_seconds_total"
                f'{{job="ftd", {ON}}}[$__rate_interval])'
            },
            NUMBER, span=6,
        ),
        graph(
            "Memory", "Resident memory of the daemon itself.",
            {
                "{{instance}}": f'process_resident_memory_bytes{{job="ftd", {ON}}}'
            },
            BYTES, span=6,
        ),
        graph(
            "Open files", "Share of the file descriptors it may have that the daemon has open.",
            {
                "{{instance}}": f'process_open_fds{{job="ftd", {ON}}} '
                f'/ process_max_fds{{job="ftd", {ON}}}',
            },
            FILLING, span=6,
        ),
        graph(
            "Database", "Size of the database, its log of writes included.",
            {"{{instance}}": f"ftd_store_size_bytes{{{ON}}}"}, BYTES, span=6,
        ),
    )  # fmt: skip
