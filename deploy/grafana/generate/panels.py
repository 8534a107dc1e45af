"""The words that both dashboards are written in: queries, panels, colours, variables.

A panel here has a title, a description and an expression by its signature, so that none lacks one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from grafana_foundation_sdk.builders import common as shape
from grafana_foundation_sdk.builders import dashboard as board
from grafana_foundation_sdk.builders import prometheus, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.cog import builder as cog
from grafana_foundation_sdk.models import common, units
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

SOURCE = model.DataSourceRef(type_val="prometheus", uid="${datasource}")
TAG = "finetuned"
Panel = cog.Builder[model.Panel]
WIDTH = 24

GREEN, BLUE, AMBER, RED, GREY = "green", "blue", "orange", "red", "#8e8e8e"
Steps = Sequence[tuple[float | None, str]]
"""From which value on a colour holds; the first has no value."""
CALM: Steps = ((None, BLUE),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How values are shown."""

    unit: str = units.Short
    decimals: int | None = None
    min: float | None = 0
    max: float | None = None
    steps: Steps = CALM
    words: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Words and colours for values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of a table: the value of an expression, one row for each of its label sets."""

    title: str
    expr: str
    look: Look = Look()
    is_gauge: bool = False
    """Draws a bar in the cell."""


NUMBER = Look()
WHOLE = Look(decimals=0)
BYTES = Look(unit=units.BytesIEC)
SECONDS = Look(unit=units.Seconds)
SHARE = Look(unit=units.PercentUnit, max=1)
PER_SECOND = Look(unit="/s")
FILLING = Look(
    unit=units.PercentUnit, decimals=0, max=1, steps=((None, GREEN), (0.8, AMBER), (0.95, RED))
)


def number(
    title: str, description: str, expr: str, look: Look = NUMBER, *, span: int = 3
) -> stat.Panel:
    """Return one large number with its course behind it."""
    panel = (
        stat.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .span(span)
        .height(4)
        .reduce_options(shape.ReduceDataOptions().calcs(["lastNotNull"]))
        .graph_mode(common.BigValueGraphMode.AREA)
        .color_mode(common.BigValueColorMode.VALUE)
        .text_mode(common.BigValueTextMode.VALUE)
        .color_scheme(_by_thresholds())
        .unit(look.unit)
        .thresholds(_thresholds(look.steps))
        .mappings(_mappings(look.words))
        .no_value("–")
        .with_target(_query(expr, title, "A"))
    )
    return panel.decimals(look.decimals) if look.decimals is not None else panel


def graph(
    title: str, description: str, lines: Mapping[str, str], look: Look = NUMBER, *,
    span: int = 8, is_stacked: bool = False, is_bars: bool = False,
) -> timeseries.Panel:  # fmt: skip
    """Return curves over time; `lines` has an expression for each legend."""
    panel = (
        timeseries.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .span(span)
        .height(8)
        .unit(look.unit)
        .thresholds(_thresholds(look.steps))
        .line_width(2)
        .fill_opacity(35 if is_stacked else 80 if is_bars else 8)
        .gradient_mode(common.GraphGradientMode.OPACITY)
        .show_points(common.VisibilityMode.NEVER)
        .legend(_legend())
        .tooltip(_tooltip())
    )
    if look.min is not None:
        panel = panel.min(look.min)
    if look.max is not None:
        panel = panel.max(look.max)
    if len(look.steps) > 1:
        panel = panel.thresholds_style(_dashed())
    if is_bars:
        panel = panel.draw_style(common.GraphDrawStyle.BARS).line_width(0)
    if is_stacked or is_bars:
        panel = panel.stacking(shape.StackingConfig().mode(common.StackingMode.NORMAL).group("A"))
    for letter, (legend, expr) in zip("ABCDEFGH", lines.items(), strict=False):
        panel = panel.with_target(_query(expr, legend, letter))
    return panel


def timeline(
    title: str, description: str, legend: str, expr: str, look: Look, *, span: int
) -> statetimeline.Panel:
    """Return a bar per series, coloured by what its value means."""
    return (
        statetimeline.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .span(span)
        .height(8)
        .mappings(_mappings(look.words))
        .color_scheme(_by_thresholds())
        .thresholds(_thresholds(look.steps))
        .merge_values(True)
        .row_height(0.8)
        .fill_opacity(75)
        .line_width(0)
        .show_value(common.VisibilityMode.AUTO)
        .legend(_legend())
        .with_target(_query(expr, legend, "A"))
    )


def rows(
    title: str, description: str, key: str, columns: Sequence[Column] = (), *,
    names: Mapping[str, str], span: int = WIDTH, height: int = 8,
    link: tuple[str, str] | None = None, rising: str = "",
) -> table.Panel:  # fmt: skip
    """Return a table of what holds now.

    Args:
        title: Its title.
        description: Its description.
        key: An expression whose labels are the first columns; its value is not shown.
        columns: The further columns; their labels must be among those of `key`.
        names: The labels that are shown, in order, and what they are called.
        span: Width in the grid's columns.
        height: Height in the grid's rows.
        link: A label, and where a click on it leads.
        rising: The title of the column that the rows are sorted by.
    """
    letters = dict(zip("BCDEFGHIJKLM", columns, strict=False))
    panel = (
        table.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .span(span)
        .height(height)
        .cell_height(common.TableCellHeight.SM)
        .no_value("none")
        .with_target(_snapshot(key, "A"))
        .with_transformation(model.DataTransformerConfig(id_val="merge", options={}))
        .with_transformation(_arranged(names, letters))
    )
    for letter, column in letters.items():
        panel = panel.with_target(_snapshot(column.expr, letter))
        panel = panel.override_by_name(column.title, _cell(column))
    if rising:
        panel = panel.sort_by([shape.TableSortByFieldState().display_name(rising).desc(False)])
    if link:
        label, url = link
        target = [{"title": "Open", "url": url}]
        panel = panel.override_by_name(
            names[label], [model.DynamicConfigValue(id_val="links", value=target)]
        )
    return panel


def variable(name: str, label: str, query: str, *, has_all: bool) -> board.QueryVariable:
    """Return a choice among the values of a label."""
    made = (
        board.QueryVariable(name)
        .label(label)
        .datasource(SOURCE)
        .query({"query": query, "refId": name})
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.ALPHABETICAL_ASC)
        .multi(has_all)
        .include_all(has_all)
    )
    return made.all_value(".+") if has_all else made


def add_row(page: board.Dashboard, title: str, panels: Sequence[Panel]) -> None:
    """Add panels under a heading, from left to right, line by line."""
    page.with_row(board.Row(title))
    for panel in panels:
        page.with_panel(panel)


def page(title: str, uid: str, description: str) -> board.Dashboard:
    """Return an empty dashboard with what both have in common."""
    return (
        board.Dashboard(title)
        .uid(uid)
        .description(description)
        .tags([TAG])
        .time("now-1h", "now")
        .refresh("10s")
        .timezone("browser")
        .readonly()
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .with_variable(board.DatasourceVariable("datasource").label("Source").type("prometheus"))
        .with_variable(
            variable("instance", "Daemon", "label_values(ftd_build_info, instance)", has_all=True)
        )
    )


def _query(expr: str, legend: str, letter: str) -> prometheus.Dataquery:
    return (
        prometheus.Dataquery()
        .expr(expr)
        .legend_format(legend)
        .ref_id(letter)
        .range()
        .datasource(SOURCE)
    )


def _snapshot(expr: str, letter: str) -> prometheus.Dataquery:
    return (
        prometheus.Dataquery()
        .expr(expr)
        .format(PromQueryFormat.TABLE)
        .ref_id(letter)
        .instant()
        .datasource(SOURCE)
    )


def _arranged(
    names: Mapping[str, str], columns: Mapping[str, Column]
) -> model.DataTransformerConfig:
    values = {f"Value #{letter}": column.title for letter, column in columns.items()}
    shown = {**names, **values}
    return model.DataTransformerConfig(
        id_val="organize",
        options={
            "excludeByName": {"Time": True, "Value #A": True},
            "indexByName": {name: index for index, name in enumerate(shown)},
            "renameByName": shown,
        },
    )


def _cell(column: Column) -> list[model.DynamicConfigValue]:
    look = column.look
    wanted: dict[str, object] = {"unit": look.unit, "noValue": "–"}
    if look.decimals is not None:
        wanted["decimals"] = look.decimals
    if column.is_gauge:
        wanted |= {"min": 0, "max": look.max, "thresholds": _thresholds(look.steps).build()}
        wanted["custom.cellOptions"] = {
            "type": "gauge",
            "mode": "basic",
            "valueDisplayMode": "text",
        }
    return [model.DynamicConfigValue(id_val=id_, value=value) for id_, value in wanted.items()]


def _thresholds(steps: Steps) -> board.ThresholdsConfig:
    return (
        board.ThresholdsConfig()
        .mode(model.ThresholdsMode.ABSOLUTE)
        .steps([model.Threshold(value=value, color=colour) for value, colour in steps])
    )


def _mappings(words: Mapping[str, tuple[str, str]]) -> list[model.ValueMapping]:
    options = {
        value: model.ValueMappingResult(text=text, color=colour, index=index)
        for index, (value, (text, colour)) in enumerate(words.items())
    }
    return [model.ValueMap(options=options)] if options else []


def _by_thresholds() -> board.FieldColor:
    return board.FieldColor().mode(model.FieldColorModeId.THRESHOLDS)


def _dashed() -> shape.GraphThresholdsStyleConfig:
    return shape.GraphThresholdsStyleConfig().mode(common.GraphThresholdsStyleMode.DASHED)


def _legend() -> shape.VizLegendOptions:
    return (
        shape.VizLegendOptions()
        .display_mode(common.LegendDisplayMode.LIST)
        .placement(common.LegendPlacement.BOTTOM)
        .show_legend(True)
    )


def _tooltip() -> shape.VizTooltipOptions:
    return (
        shape.VizTooltipOptions()
        .mode(common.TooltipDisplayMode.MULTI)
        .sort(common.SortOrder.DESCENDING)
    )
