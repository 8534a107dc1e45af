"""Small cards and tables for notebooks: without scripts, escaped, readable on dark and on light."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from html import escape

# Half transparent, so that they do on any ground; text has the colour of the page.
_LINE = "rgba(128,128,128,.35)"
_GROUND = "rgba(128,128,128,.08)"
_TONES = {
    "good": "#2e9e5b", "bad": "#d9534f", "busy": "#3b82f6", "idle": "#8a8f98", "wary": "#b7791f",
}  # fmt: skip
_CELL = "padding:.2em .8em .2em 0;text-align:left;vertical-align:top;background:none"


class Badge(str):
    """A word that stands out, in one of the tones good, bad, busy, idle and wary."""

    __slots__ = ("tone",)

    tone: str

    def __new__(cls, word: str, tone: str) -> "Badge":
        """Make one."""
        badge = super().__new__(cls, word)
        badge.tone = tone
        return badge


def card(
    title: str,
    facts: Iterable[tuple[str, object]],
    *,
    badge: Badge | None = None,
    hint: str = "",
    below: str = "",
) -> str:
    """Return a card: a title and what there is to say, fact by fact; those without value are left
    out. `below` is HTML already."""
    rows = "".join(
        f'<tr style="background:none"><td style="{_CELL};opacity:.65">{escape(label)}</td>'
        f'<td style="{_CELL}">{shown(value)}</td></tr>'
        for label, value in facts
        if value not in (None, "", ())
    )
    head = f'<b style="font-size:1.1em">{escape(title)}</b>{" " + shown(badge) if badge else ""}'
    note = f'<div style="opacity:.65;margin-top:.3em">{escape(hint)}</div>' if hint else ""
    return _framed(f'{head}<table style="{_TABLE}">{rows}</table>{below}{note}')


def table(titles: Sequence[str], rows: Iterable[Sequence[object]], *, caption: str = "") -> str:
    """Return a table; where it has no rows, only the caption."""
    body = "".join(_row(row) for row in rows)
    head = "".join(
        f'<th style="{_CELL};font-weight:normal;opacity:.65;border-bottom:1px solid {_LINE}">'
        f"{escape(title)}</th>"
        for title in titles
    )
    told = f'<div style="opacity:.65">{escape(caption)}</div>' if caption else ""
    whole = f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody>" if body else ""
    return _framed(f'{told}<table style="{_TABLE}">{whole}</table>' if whole else told)


def shown(value: object) -> str:
    """Return a value as HTML."""
    match value:
        case Badge():
            return (
                f'<span style="color:{_TONES[value.tone]};border:1px solid {_TONES[value.tone]};'
                f'border-radius:.7em;padding:0 .5em;white-space:nowrap">{escape(value)}</span>'
            )
        case datetime():
            return escape(value.astimezone().strftime("%Y-%m-%d %H:%M:%S %Z"))
        case None:
            return "–"
        case _:
            return escape(str(value))


_TABLE = "border-collapse:collapse;margin:.3em 0 0;background:none;color:inherit"


def _row(row: Sequence[object]) -> str:
    cells = "".join(f'<td style="{_CELL}">{shown(value)}</td>' for value in row)
    return f'<tr style="background:none">{cells}</tr>'


def _framed(inner: str) -> str:
    return (
        f'<div style="display:inline-block;padding:.6em .9em;border:1px solid {_LINE};'
        f'border-radius:.5em;background:{_GROUND};color:inherit;max-width:100%;overflow-x:auto">'
        f"{inner}</div>"
    )
