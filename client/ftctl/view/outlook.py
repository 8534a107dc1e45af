"""What a plan says ahead: how much work a net is, how its rates go, how its weights were made."""

import math
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from rich.text import Text

from ftctl.view import grid, text

LEVELS = "▁▂▃▄▅▆▇█"
SPARK_COLUMNS = 48
LEAST_SPARK = 8
FAIR_SPARK = 16
FOLDED = 4
"""From so many curves on, those that go alike are not all drawn."""
LOGARITHMIC = 30.0
"""Over so many times the lowest rate, a curve is drawn by its logarithm."""
MARKS = {"same": ("=", "good"), "different": ("≠", "warn"), "not stated": ("?", "label")}
LEAST_CELL = 16
PIPE_ROOM = 400
"""Where there is no edge, no cell is broken."""
Card = Mapping[str, Any]


def work(plan: Card) -> list[str]:
    """Say what the net costs; nothing where the plan is of an older daemon."""
    macs, kept = plan.get("macs"), plan.get("activation_bytes")
    told = [f"{amount(macs)} multiply-accumulates an image"] if macs else []
    told += [f"a batch keeps {text.size(kept)} of activations to train"] if kept else []
    return [", ".join(told)] if told else []


def amount(number: int) -> str:
    """Return 1,814,073,344 as `1.81 billion`."""
    for scale, name in ((10**12, "trillion"), (10**9, "billion"), (10**6, "million")):
        if number >= scale:
            return f"{number / scale:.3g} {name}"
    return f"{number:,}"


# --- how rates go -----------------------------------------------------------------------------


def rates(plan: Card, room: int | None) -> list[Text]:
    """Return a curve for each learning rate, stage by stage."""
    previews = plan.get("rates") or []
    is_staged = len(previews) > 1
    rows = [
        (f"stage {number} {curve['group']}" if is_staged else str(curve["group"]), curve, preview)
        for number, preview in enumerate(previews, start=1)
        for curve in _ends(preview["curves"])
    ]
    remarks = [_remark(curve["lr"], preview["steps"], plan) for _, curve, preview in rows]
    columns = _columns(rows, remarks, room)
    cells = [_curve(name, curve["lr"], columns) for name, curve, _ in rows]
    lines = grid.lines(cells, aligns="<><<")
    widest = max((line.cell_len for line in lines), default=0)
    return list(_with_remarks(lines, remarks, widest, room))


def _ends(curves: Sequence[Card]) -> Sequence[Card]:
    """Return the curves; of many that go alike, as of layer decay, the highest and the lowest."""
    if len(curves) < FOLDED or not all(_is_alike(curve["lr"], curves[0]["lr"]) for curve in curves):
        return curves
    return [curves[0], curves[-1]]


def _is_alike(values: Sequence[float], others: Sequence[float]) -> bool:
    """Return whether rates differ by a factor alone."""
    return all(
        math.isclose(value * others[0], other * values[0], rel_tol=1e-6)
        for value, other in zip(values, others, strict=True)
    )


def _columns(
    rows: Sequence[tuple[str, Card, Card]], remarks: Sequence[Text], room: int | None
) -> int:
    """Return how wide a curve may be; it leaves room for a remark, if it is a short one."""
    if room is None:
        return SPARK_COLUMNS
    beside = grid.natural([_curve(name, curve["lr"], 1) for name, curve, _ in rows] or [[""] * 4])
    taken = sum(beside) - beside[2] + len(grid.GAP) * (len(beside) - 1)
    most = min(SPARK_COLUMNS, room // 2, max((len(curve["lr"]) for _, curve, _ in rows), default=0))
    remark = max((len(grid.GAP) + each.cell_len for each in remarks if each), default=0)
    left = room - taken
    if left - remark >= min(most, FAIR_SPARK):
        left -= remark
    return max(min(most, left), LEAST_SPARK)


def _curve(name: str, values: Sequence[float], columns: int) -> list[str | Text]:
    label, first = Text(text.clean(name), "label"), f"{values[0]:.3g}"
    if len(set(values)) == 1:
        return [label, first, Text(LEVELS[3] * min(columns, len(values)), "accent"), ""]
    spark = sparkline(values, columns, is_log=_is_logarithmic(values))
    return [label, first, Text(spark, "accent"), f"{values[-1]:.3g}"]


def _is_logarithmic(values: Sequence[float]) -> bool:
    return min(values) <= 0 or max(values) / min(values) > LOGARITHMIC


def _remark(values: Sequence[float], steps: Sequence[int], plan: Card) -> Text:
    lowest, highest = min(values), max(values)
    told = []
    if highest not in (values[0], values[-1]):
        told.append(f"most {highest:.3g} at {_when(steps, values, highest, plan)}")
    if lowest not in (values[0], values[-1]):
        told.append(f"least {lowest:.3g} at {_when(steps, values, lowest, plan)}")
    told += ["log scale"] if _is_logarithmic(values) and lowest != highest else []
    return Text(", ".join(told), "label")


def _with_remarks(
    lines: Sequence[Text], remarks: Sequence[Text], widest: int, room: int | None
) -> Iterator[Text]:
    """Yield lines, each with its remark beside it; below it where there is no room."""
    for line, remark in zip(lines, remarks, strict=True):
        if remark and (room is None or widest + len(grid.GAP) + remark.cell_len <= room):
            line.pad_right(widest - line.cell_len + len(grid.GAP))
            yield line.append_text(remark)
        else:
            yield line
            if remark:
                yield Text(grid.GAP, "label").append_text(remark)


def _when(steps: Sequence[int], values: Sequence[float], value: float, plan: Card) -> str:
    step = steps[list(values).index(value)]
    for stage in plan.get("stages") or [plan]:
        first = stage.get("first_step", 1) - 1
        if step < first + stage["steps"]:
            inside = (step - first) // stage["steps_per_epoch"]
            return f"epoch {stage.get('first_epoch', 1) + inside}"
    return f"step {step + 1}"


def sparkline(values: Sequence[float], columns: int, *, is_log: bool = False) -> str:
    """Draw values as blocks of eight heights, at most so many; all are looked at."""
    if is_log:
        least = min((value for value in values if value > 0), default=1.0)
        values = [math.log(max(value, least)) for value in values]
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    count = min(columns, len(values))
    edges = [round(place * len(values) / count) for place in range(count + 1)]
    means = [sum(values[a:b]) / (b - a) for a, b in pairwise(edges)]
    top = len(LEVELS) - 1
    # What is alike but for rounding is drawn alike.
    return "".join(LEVELS[int((mean - low) / span * top + 0.5 + 1e-9)] for mean in means)


# --- how the weights were made ----------------------------------------------------------------


def consistency(plan: Card, room: int | None) -> list[Text]:
    """Return how the weights were trained beside this recipe: each difference has a row."""
    card = plan.get("consistency")
    if not card:
        return []
    facts = card["facts"][:1]
    head = [Text(text.clean(", ".join([card["origin"], *facts])))]
    rows = [row for row in card["rows"] if row["verdict"] == "different"]
    told = [*head, *(_table(rows, room) if rows else [Text("no setting is known to differ")])]
    for verdict in ("same", "not stated"):
        names = [row["name"] for row in card["rows"] if row["verdict"] == verdict]
        if names:
            mark, style = MARKS[verdict]
            line = Text.assemble((f"{mark} ", style), (f"{verdict}: {', '.join(names)}", "label"))
            told.append(line)
    return told + [Text(text.clean(source), "label") for source in card["sources"][:1]]


def _table(rows: Sequence[Card], room: int | None) -> Iterator[Text]:
    """Yield the differences; what is too long for its column goes on below."""
    names = max(len(row["name"]) for row in rows)
    left = (room or PIPE_ROOM) - 1 - names - 3 * len(grid.GAP)
    cell = max(left // 2, LEAST_CELL)
    cells: list[list[str | Text]] = [
        [Text(), Text("setting", "label"), Text("the weights", "label"), Text("here", "label")]
    ]
    for row in rows:
        there, here = (textwrap.wrap(text.clean(row[side]), cell) for side in ("weights", "recipe"))
        mark, style = MARKS[row["verdict"]]
        for line in range(max(len(there), len(here), 1)):
            is_first = line == 0
            cells.append([
                Text(mark if is_first else "", style),
                text.clean(row["name"]) if is_first else "",
                there[line] if line < len(there) else "",
                here[line] if line < len(here) else "",
            ])  # fmt: skip
    yield from grid.lines(cells, aligns="<<<<")
