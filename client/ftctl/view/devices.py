"""The devices of a machine: a line for each, and below it what does not fit a table."""

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.text import Text

from ftctl.devices import Device, DeviceJob, DeviceState, ForeignProcess
from ftctl.view import bars, grid, text
from ftctl.view.console import DEVICE_STYLES
from ftctl.view.labels import labelled

MARGIN = " "
ABSENT = "–"
# From this width on, names stand in full and jobs in the table.
WIDE = 120
LEAST_BAR, MOST_BAR = 10, 40
TITLES = ("device", "name", "state", "memory", "", "util", "temp", "jobs")
ALIGNS = "<<<<>>><"
NAME, BAR, JOBS = TITLES.index("name"), TITLES.index("memory"), TITLES.index("jobs")
# Where a terminal has no room for all: the columns that are left out, one after the other.
SPARE = tuple(TITLES.index(title) for title in ("temp", "memory", "util"))
MAKER = "NVIDIA "
# More are told below as well: the table cuts what has no room.
COLUMN_JOBS = 2


def lines(devices: Sequence[Device], console: Console) -> Iterator[Text]:
    """Yield the table of devices, each with what else is to be said of it."""
    is_wide = console.width >= WIDE
    heading, *rows = table(
        devices,
        width=console.width,
        is_cut=console.is_terminal,
        without=() if is_wide else (JOBS,),
    )
    yield heading
    for device, row in zip(devices, rows, strict=True):
        yield row
        yield from _below(device, console, with_jobs=not is_wide)
    yield Text()
    yield Text(MARGIN).append_text(bars.legend())


def table(
    devices: Sequence[Device], *, width: int, is_cut: bool, without: Sequence[int] = ()
) -> list[Text]:
    """Return a heading and a line per device.

    Args:
        devices: The devices.
        width: Columns of the page.
        is_cut: Whether what has no room is cut, or the line longer than the page.
        without: The columns that are left out.
    """
    kept = [column for column in range(len(TITLES)) if column not in without]
    rows: list[list[str | Text]] = [[Text(title, "label") for title in TITLES]]
    rows += [_row(device, is_wide=width >= WIDE) for device in devices]
    rows = [[row[column] for column in kept] for row in rows]
    bar, room = kept.index(BAR), width - 2 * len(MARGIN)
    least = bars.least(width, LEAST_BAR)
    columns = grid.room(rows, bar, width=room, least=least, most=MOST_BAR)
    for device, row in zip(devices, rows[1:], strict=True):
        row[bar] = bars.memory(device, columns)
    return [
        Text(MARGIN, no_wrap=True, overflow=line.overflow).append_text(line)
        for line in grid.lines(
            rows,
            aligns="".join(ALIGNS[column] for column in kept),
            width=room if is_cut else None,
            flexible=[(kept.index(column), 8) for column in (JOBS, NAME) if column in kept],
            spare=[kept.index(column) for column in SPARE],
        )
    ]


def _row(device: Device, *, is_wide: bool) -> list[str | Text]:
    name = text.clean(device.name) or device.kind.value
    return [
        Text(device.id, "title"),
        name if is_wide else name.removeprefix(MAKER),
        Text(device.state, DEVICE_STYLES[device.state]),
        "",
        text.memory_of(device.memory_used_bytes, device.memory_total_bytes),
        ABSENT if device.utilization is None else f"{100 * device.utilization:.0f} %",
        ABSENT if device.temperature_celsius is None else f"{device.temperature_celsius:.0f} °C",
        ", ".join(_job(job) if is_wide else text.clean(job.label) for job in device.jobs),
    ]


def _below(device: Device, console: Console, *, with_jobs: bool) -> Iterator[Text]:
    facts = [("reason", [text.clean(device.reason)] if device.reason else [])]
    if with_jobs or len(device.jobs) > COLUMN_JOBS:
        facts.append(("jobs", [_job(job) for job in device.jobs]))
    facts.append(("foreign", [_foreign(process) for process in device.foreign]))
    facts.append(("errors", [_xid(*item) for item in sorted(device.xid_errors.items())]))
    for label, told in facts:
        if told:
            yield from labelled(f" {label}", [", ".join(told)], console)


def _job(job: DeviceJob) -> str:
    memory = "" if job.memory_bytes is None else f" {text.memory(job.memory_bytes)}"
    return f"{text.clean(job.label)}{memory}"


def _foreign(process: ForeignProcess) -> str:
    name = text.clean(process.name) or "a process"
    return f"{name} (pid {process.pid}) {text.memory(process.memory_bytes)}"


def _xid(number: int, count: int) -> str:
    return f"XID {number} {'once' if count == 1 else f'{count} times'}"


def standing(device: Device) -> str:
    """Say, in a sentence, whether a device takes jobs."""
    reason = f": {text.clean(device.reason)}" if device.reason else ""
    match device.state:
        case DeviceState.DRAINED:
            return f"{device.id} is drained{reason}; it takes no jobs until it is resumed"
        case DeviceState.DRAINING:
            jobs = text.counted(len(device.jobs), "job")
            goes = "goes" if len(device.jobs) == 1 else "go"
            return f"{device.id} is draining{reason}; {jobs} on it {goes} on, no more will start"
        case DeviceState.FREE | DeviceState.BUSY:
            return f"{device.id} is {device.state} and takes jobs"
        case _:
            return f"{device.id} is {device.state}{reason}; it takes no jobs"
