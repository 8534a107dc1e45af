"""Draws tables as Grafana's transformations arrange them."""

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from deploy.grafana.picture.answers import Source
from deploy.grafana.picture.sheet import GRID, INK, MUTED, stepped
from deploy.grafana.picture.words import say

Record = dict[str, Any]
_LINE_IN = 0.27
_LETTER_IN = 0.078


def rows(axes: Axes, panel: Mapping[str, Any], source: Source) -> None:
    """Draw a table: what its queries yield, merged by their labels."""
    axes.set_axis_off()
    columns = _columns(panel)
    records = _records(panel, source)
    looks = _looks(panel)
    starts = _starts(columns, looks)
    figure = axes.get_figure(root=True)
    assert figure is not None
    line = _LINE_IN / (axes.get_position().height * figure.get_size_inches()[1])
    if not records:
        axes.text(0.5, 0.5, "none", color=MUTED, ha="center", transform=axes.transAxes)
        return
    for column, (left, _) in zip(columns.values(), starts, strict=True):
        axes.text(left, 1 - line / 2, column, color="#6e9fff", size=8, va="center",
                  transform=axes.transAxes)  # fmt: skip
    for index, record in enumerate(records[: int(1 / line) - 1], start=1):
        middle = 1 - (index + 0.5) * line
        axes.plot([0.005, 0.995], [middle + line / 2] * 2, color=GRID, lw=0.6,
                  transform=axes.transAxes)  # fmt: skip
        for (key, title), place in zip(columns.items(), starts, strict=True):
            _cell(axes, record.get(key), looks.get(title, {}), place, middle, line)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)


def _cell(
    axes: Axes, value: Any, look: Mapping[str, Any], place: tuple[float, float],
    middle: float, line: float,
) -> None:  # fmt: skip
    left, width = place
    text = _said(value, look, width * _inches(axes))
    tint = INK if value is not None else MUTED
    if value is not None and "custom.cellOptions" in look:
        share = max(0.0, min(1.0, value / (look["max"] or 1)))
        tint = stepped(value, look["thresholds"]["steps"])
        for reach, alpha in ((1.0, 0.15), (share, 0.85)):
            axes.add_patch(
                Rectangle((left, middle - line * 0.28), reach * width * 0.55, line * 0.56,
                          color=tint, alpha=alpha, lw=0, transform=axes.transAxes)
            )  # fmt: skip
        left += width * 0.6
    axes.text(left, middle, text, color=tint, size=8, va="center", transform=axes.transAxes)


def _said(value: Any, look: Mapping[str, Any], width_in: float) -> str:
    match value:
        case None:
            return "–"
        case str():
            most = int(width_in / _LETTER_IN)
            return value if len(value) <= most else f"{value[: most - 1]}…"
        case _:
            return say(value, look.get("unit", "short"), look.get("decimals"))


def _records(panel: Mapping[str, Any], source: Source) -> list[Record]:
    """Return a record per label set of the first query, with the values of the others."""
    first, *others = panel["targets"]
    records: list[Record] = [dict(labels) for labels, _ in source.samples(first)]
    for target in others:
        for labels, value in source.samples(target):
            for record in records:
                if labels.items() <= record.items():
                    record[f"Value #{target['refId']}"] = value
    (rising,) = [rule["displayName"] for rule in panel["options"].get("sortBy", [])] or [""]
    keys = [key for key, title in _columns(panel).items() if title == rising]
    return sorted(records, key=lambda r: ([r.get(key, 0.0) for key in keys], str(r.get("device"))))


def _inches(axes: Axes) -> float:
    figure = axes.get_figure(root=True)
    assert figure is not None
    return float(axes.get_position().width * figure.get_size_inches()[0])


def _columns(panel: Mapping[str, Any]) -> Mapping[str, str]:
    """Return the titles of the columns by what they show, in order."""
    options = panel["transformations"][-1]["options"]
    order = options["indexByName"]
    shown: Mapping[str, str] = options["renameByName"]
    return {name: shown[name] for name in sorted(shown, key=order.__getitem__)}


def _looks(panel: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    return {
        override["matcher"]["options"]: {
            prop["id"]: prop["value"] for prop in override["properties"]
        }
        for override in panel["fieldConfig"]["overrides"]
    }


def _starts(
    columns: Mapping[str, str], looks: Mapping[str, Mapping[str, Any]]
) -> list[tuple[float, float]]:
    """Return left edge and width of each column, in shares of the panel."""

    def weight(key: str, title: str) -> float:
        if "custom.cellOptions" in looks.get(title, {}):
            return 1.7
        return 1.0 if key.startswith("Value") else 2.2 if key in {"name", "job_id"} else 1.5

    weights = [weight(*item) for item in columns.items()]
    scale = 0.985 / sum(weights)
    edges = [0.012 + scale * sum(weights[:index]) for index in range(len(weights))]
    return list(zip(edges, (w * scale for w in weights), strict=True))
