"""How a job ended: what it reached, or what went wrong and what to do, and where its files lie."""

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.text import Text

from ftctl.models import Epoch, Outcome, OutcomeReason
from ftctl.view import results, text
from ftctl.view.console import STATE_STYLES
from ftctl.view.labels import labelled, paths, quoted
from ftctl.view.standing import Standing

RULE_COLUMNS = 78
LOG_LINES = 10
# How the daemon begins a log that ends in stacks.
_STACKS = ("Fatal Python error: ", "Current thread 0x")
# Endings that someone wanted.
AS_ASKED = (OutcomeReason.COMPLETED, OutcomeReason.CANCELLED_BY_USER)


def lines(standing: Standing, console: Console) -> Iterator[Text]:
    """Yield the lines of an ending."""
    assert standing.outcome is not None
    yield _headline(standing, standing.outcome, console)
    yield from trouble(standing.outcome, console)
    if standing.best:
        yield from labelled("best", [best(standing.best)], console)
    yield from repeats(standing.outcome, console)
    yield from paths(results.shown(standing.files), console)


def best(epoch: Epoch) -> Text:
    """Say what the best epoch reached."""
    if epoch.val is None:
        return Text(f"epoch {epoch.epoch}")
    return Text.assemble(
        (f"{text.percent(epoch.val.accuracy)} %", "title"),
        f" of {text.count(epoch.val.count)} ",
        (f"({text.interval(epoch.val)})", "label"),
        f", loss {text.loss(epoch.val.loss)}, epoch {epoch.epoch}",
    )


def repeats(outcome: Outcome, console: Console) -> Iterator[Text]:
    """Say what the repeats came to, where there were any."""
    spread = outcome.spread
    if spread is None:
        return
    told = [f"{text.counted(len(spread.accuracies), 'repeat')}, mean {text.percent(spread.mean)} %"]
    if spread.low is not None and spread.high is not None:
        told = [
            f"{told[0]} ± {text.percent(spread.deviation)} (95 % interval "
            f"{text.percent(spread.low)}–{text.percent(spread.high)})"
        ]
    each = " · ".join(text.percent(accuracy) for accuracy in spread.accuracies)
    yield from labelled("repeats", [*told, each], console)


def trouble(outcome: Outcome, console: Console) -> Iterator[Text]:
    """Say what went wrong, if anything did, what to do next, and what the log said last."""
    if outcome.reason in AS_ASKED:
        return
    yield from labelled("what", [text.clean(outcome.message)], console)
    faults = [text.clean(str(fault)) for fault in outcome.faults]
    yield from labelled("", faults, console)
    if outcome.remedy:
        yield from labelled("next", [Text(text.clean(outcome.remedy), "title")], console)
    tail = [text.clean_line(line) for line in _telling(outcome.log_tail)]
    yield from quoted("log", tail, console)


def _telling(log_tail: Sequence[str]) -> Sequence[str]:
    """Return the lines that tell most: of a stack the top ones, else the last."""
    is_stack = log_tail and log_tail[0].startswith(_STACKS)
    return log_tail[:LOG_LINES] if is_stack else log_tail[-LOG_LINES:]


def _headline(standing: Standing, outcome: Outcome, console: Console) -> Text:
    title = standing.state.value
    if outcome.reason not in AS_ASKED:
        title += f": {outcome.reason.replace('_', ' ')}"
    if standing.start_time and standing.end_time:
        title += f" after {text.duration(standing.end_time - standing.start_time)}"
    width = min(console.width, RULE_COLUMNS) - len(title) - 5
    return Text.assemble(
        (" ── ", "label"),
        (title, f"bold {console.get_style(STATE_STYLES[standing.state])}"),
        (" " + "─" * max(width, 2), "label"),
        no_wrap=True,
    )
