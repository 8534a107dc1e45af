"""Write docs/metrics.md, the list of every metric, from the catalogue itself.

Run as `python -m tests.house.metrics`; with `--check` it only says whether the page is fresh.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from ftd.metrics.catalogue import CHAPTERS, Chapter, Kind, Metric

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "metrics.md"
HEAD = """\
# Metrics

Generated from `ftd.metrics.catalogue` by `make fmt`; do not edit.

`ftd --metrics 127.0.0.1:9400` serves these at `/metrics`, as text or OpenMetrics, on the loopback \
alone.
Reading has no effect.
Units are seconds, bytes, joules, degrees Celsius and ratios from 0 to 1.
Counters begin at 0 when the daemon starts; `ftd_jobs` counts what the store holds.
`job_id` is there only for jobs that hold devices and those that ended less than `metrics.grace` \
(60 s) ago, so that the number of series stays bounded.
Join a job's series with its name by \
`... * on (job_id) group_left (name) ftd_job_info`, with its devices by `ftd_job_device_info`.
A name, a label and a meaning that stand here stay as they are until a release says otherwise.
"""


def main(arguments: list[str]) -> int:
    """Write the page, or check it; return 1 where it is stale."""
    text = page()
    if "--check" not in arguments:
        PAGE.write_text(text)
    elif not PAGE.exists() or PAGE.read_text() != text:
        print("docs/metrics.md is stale: make fmt", file=sys.stderr)
        return 1
    else:
        print("docs/metrics.md: fresh")
    return 0


def page() -> str:
    """Return the page as Markdown."""
    return "\n".join([HEAD, *(line for chapter in CHAPTERS for line in _section(chapter))])


def _section(chapter: Chapter) -> Iterator[str]:
    yield f"## {chapter.title}\n"
    yield "| metric | kind | unit | labels | meaning | when there is one |"
    yield "|---|---|---|---|---|---|"
    for metric in chapter.metrics:
        labels = " ".join(f"`{label}`" for label in metric.labels)
        meaning = metric.help + _buckets(metric)
        yield (
            f"| `{metric.name}` | {metric.kind} | {metric.unit} | {labels} | {meaning} "
            f"| {metric.present} |"
        )
    yield ""


def _buckets(metric: Metric) -> str:
    if metric.kind is not Kind.HISTOGRAM:
        return ""
    return f" Buckets up to {', '.join(f'{bound:g}' for bound in metric.buckets)}."


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
