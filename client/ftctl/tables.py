"""Several jobs, devices or epochs at once: tuples that show themselves as tables."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from ftctl import html
from ftctl.datasets import Dataset
from ftctl.devices import Device
from ftctl.models import Epoch, Job

_Columns = Sequence[tuple[str, Callable[[Any], object]]]
_GIB = 2**30


class Jobs(tuple[Job, ...]):
    """Jobs, the latest first."""

    __slots__ = ()

    def __repr__(self) -> str:
        return _text("no jobs", self._columns(), self)

    def _repr_html_(self) -> str:
        return _html("job", self._columns(), self)

    def _columns(self) -> _Columns:
        several = len({job.user for job in self}) > 1
        return [column for column in _JOBS if several or column[0] != "user"]


class Devices(tuple[Device, ...]):
    """The devices of a machine, always in the same order."""

    __slots__ = ()

    def __repr__(self) -> str:
        return _text("no devices", _DEVICES, self)

    def _repr_html_(self) -> str:
        return _html("device", _DEVICES, self)


class Datasets(tuple[Dataset, ...]):
    """The data sets of a daemon, by user and name."""

    __slots__ = ()

    def __repr__(self) -> str:
        return _text("no data sets", _DATASETS, self)

    def _repr_html_(self) -> str:
        return _html("data set", _DATASETS, self)


class Metrics(tuple[Epoch, ...]):
    """The epochs that a job has finished, in order."""

    __slots__ = ()

    def rows(self) -> list[dict[str, float | None]]:
        """Return a plain mapping per epoch, as `pandas.DataFrame` takes them."""
        return [{title: read(epoch) for title, read in _FIGURES} for epoch in self]

    def __repr__(self) -> str:
        return _text("no epochs yet", _EPOCHS, self)

    def _repr_html_(self) -> str:
        return _html("epoch", _EPOCHS, self)


_JOBS: _Columns = (
    ("id", lambda job: job.id[:8]),
    ("name", lambda job: job.name),
    ("user", lambda job: job.user),
    ("state", lambda job: job.badge()),
    ("where", lambda job: job.position()),
    ("best %", lambda job: _percent(job.best.val.accuracy) if job.best and job.best.val else None),
    ("submitted", lambda job: job.create_time),
)
_DEVICES: _Columns = (
    ("id", lambda device: device.id),
    ("name", lambda device: device.name),
    ("state", lambda device: device.badge()),
    ("memory", lambda device: f"{_gib(device.memory_used_bytes)} of "
                              f"{_gib(device.memory_total_bytes)} GiB"),
    ("busy %", lambda device: None if device.utilization is None else _percent(device.utilization)),
    ("°C", lambda device: _degrees(device.temperature_celsius)),
    ("jobs", lambda device: ", ".join(job.label for job in device.jobs)),
)  # fmt: skip
_DATASETS: _Columns = (
    ("name", lambda dataset: dataset.name),
    ("user", lambda dataset: dataset.user),
    ("files", lambda dataset: f"{dataset.files:,}"),
    ("MB", lambda dataset: f"{dataset.size_bytes / 1e6:,.1f}"),
    ("digest", lambda dataset: dataset.digest[:12]),
    ("pushed", lambda dataset: dataset.create_time),
)
_EPOCHS: _Columns = (
    ("epoch", lambda epoch: epoch.epoch),
    ("train loss", lambda epoch: f"{epoch.train.loss:.4g}" if epoch.train else None),
    ("train %", lambda epoch: _percent(epoch.train.accuracy) if epoch.train else None),
    ("val loss", lambda epoch: f"{epoch.val.loss:.4g}" if epoch.val else None),
    ("val %", lambda epoch: _percent(epoch.val.accuracy) if epoch.val else None),
    ("seconds", lambda epoch: f"{epoch.seconds:.1f}"),
    ("", lambda epoch: html.Badge("best so far", "good") if epoch.best else ""),
)
_FIGURES: Sequence[tuple[str, Callable[[Epoch], float | None]]] = (
    ("epoch", lambda epoch: epoch.epoch),
    ("step", lambda epoch: epoch.step),
    ("train_loss", lambda epoch: epoch.train.loss if epoch.train else None),
    ("train_accuracy", lambda epoch: epoch.train.accuracy if epoch.train else None),
    ("val_loss", lambda epoch: epoch.val.loss if epoch.val else None),
    ("val_accuracy", lambda epoch: epoch.val.accuracy if epoch.val else None),
    ("val_accuracy_low", lambda epoch: epoch.val.accuracy_low if epoch.val else None),
    ("val_accuracy_high", lambda epoch: epoch.val.accuracy_high if epoch.val else None),
    ("lr", lambda epoch: epoch.lrs[0] if epoch.lrs else None),
    ("images_per_second", lambda epoch: epoch.images_per_second),
    ("memory_bytes", lambda epoch: epoch.memory_bytes),
    ("seconds", lambda epoch: epoch.seconds),
    ("best", lambda epoch: epoch.best),
)


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _gib(size_bytes: int) -> str:
    return f"{size_bytes / _GIB:.1f}"


def _degrees(celsius: float | None) -> str | None:
    return None if celsius is None else f"{celsius:.0f}"


def _text(nothing: str, columns: _Columns, items: Sequence[Any]) -> str:
    if not items:
        return f"<{nothing}>"
    rows = [[title for title, _ in columns]]
    rows += [[_plain(read(item)) for _, read in columns] for item in items]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _plain(value: object) -> str:
    if value is None:
        return "–"
    return value.isoformat(" ", "seconds") if isinstance(value, datetime) else str(value)


def _html(noun: str, columns: _Columns, items: Sequence[Any]) -> str:
    count = f"{len(items)} {noun}{'' if len(items) == 1 else 's'}"
    rows = ([read(item) for _, read in columns] for item in items)
    return html.table([title for title, _ in columns], rows, caption=count)
