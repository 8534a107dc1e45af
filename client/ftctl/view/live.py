"""A job on a terminal: epochs come to stay, below them a bar that moves."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.text import Text

from ftctl.models import EpochEnded, Event, JobState, Notice, Phase, Planned, Progress
from ftctl.view import ending, epochs, gap, plan, stages, text
from ftctl.view.console import STATE_STYLES
from ftctl.view.labels import labelled
from ftctl.view.standing import Standing

FRAMES_PER_SECOND = 6
# The bar is as long as the table is wide, and this at least.
BAR_COLUMNS = 76
GAP = "  "
_DOING = {
    Phase.SETUP: "loading data, weights and net",
    Phase.EVALUATING: "evaluating",
    Phase.CHECKPOINTING: "writing a checkpoint",
    Phase.EXPORTING: "writing the model",
}


class LiveView(AbstractContextManager[Callable[[Event], None]]):
    """Draws a job's events as they come."""

    def __init__(
        self, *, name: str, job_id: str, recipe: Mapping[str, Any], console: Console
    ) -> None:
        self.standing = Standing()
        self.title = Text.assemble(" ", (name, "title"), ("  " + text.short_id(job_id), "label"))
        self._recipe = recipe
        self._console = console
        self._columns = epochs.chosen(console.width)
        self._is_headed = False
        self._absence = ""
        # One for all frames: a new one would begin to turn anew.
        self._wheel = Spinner("dots", style="accent")
        self._live = Live(
            get_renderable=self.footer,
            console=console,
            refresh_per_second=FRAMES_PER_SECOND,
            transient=True,
        )

    def __enter__(self) -> Callable[[Event], None]:
        """Return what draws an event."""
        self._console.print(self.title)
        self._live.start()
        return self.show

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.stop()

    def show(self, event: Event) -> None:
        """Draw what happened."""
        self.standing.apply(event)
        lines = list(self._lasting(event))
        if lines:
            # At once, lest the bar be drawn between them. Paths may be longer than a line.
            self._console.print(Group(*lines), crop=False)

    def show_gap(self, seconds: float | None) -> None:
        """Say below the bar that the daemon is away; None: it is back."""
        self._absence = gap.told(seconds)

    def _lasting(self, event: Event) -> Iterator[Text]:
        """Yield what stays on the screen of an event."""
        match event:
            case Planned():
                yield from plan.card(event.plan, self._recipe, self._console)
            case EpochEnded():
                yield from self._epoch(event)
            case Notice() if not self._is_in_plan(event):
                yield from labelled("note", [text.clean(event.message)], self._console)
        if self.standing.outcome is not None:
            yield Text()
            yield from ending.lines(self.standing, self._console)

    def _is_in_plan(self, notice: Notice) -> bool:
        return notice.message in (self.standing.plan or {}).get("notices", ())

    def _epoch(self, event: EpochEnded) -> Iterator[Text]:
        if not self._is_headed:
            self._is_headed = True
            yield Text()
            yield from epochs.heading(self._columns)
        yield from stages.begun(self.standing.plan or {}, event.epoch.epoch)
        yield epochs.row(event.epoch, self._columns)

    # --- the part that moves ----------------------------------------------------------------

    def footer(self) -> RenderableType:
        """Return the lines below all that stays."""
        progress = self.standing.progress
        if self.standing.outcome is not None:
            return Text(end="")
        if self.standing.state is not JobState.RUNNING or progress is None:
            return Group("", self._away() or self._waiting())
        bar = ProgressBar(
            total=max(progress.steps, 1),
            completed=progress.step,
            width=min(self._console.width - 2, max(BAR_COLUMNS, epochs.span(self._columns))),
        )
        return Group("", _indented(bar), self._away() or self._numbers(progress))

    def _waiting(self) -> RenderableType:
        state = self.standing.state
        told = Text.assemble((state.value, STATE_STYLES[state]))
        if self.standing.reason:
            told.append(f"  {text.clean(self.standing.reason)}")
        if state is JobState.PAUSED:
            told.append("; waiting here until it goes on")
        self._wheel.update(text=told)
        return _indented(self._wheel)

    def _numbers(self, progress: Progress) -> Text:
        left = self.standing.seconds_left
        time = [] if left is None else [f"{text.clock(left)} left"]
        if self.standing.reason:  # it runs, but not for long
            time = [text.clean(self.standing.reason)]
        stage = stages.now(self.standing.plan or {}, progress.epoch)
        told = (" " + GAP.join([*shown, *time]) for shown in _shorter(progress, stage))
        fits = (line for line in told if len(line) <= self._console.width)
        return Text(next(fits, ""), no_wrap=True, overflow="ellipsis")

    def _away(self) -> Text | None:
        if not self._absence:
            return None
        return Text(f" {self._absence}", "warn", no_wrap=True, overflow="ellipsis")


def _shorter(progress: Progress, stage: str) -> Iterator[list[str]]:
    """Yield what is shown of a worker: all of it, then ever less."""
    epoch = f"epoch {progress.epoch} of {progress.epochs}"
    step = f"step {text.count(progress.step)} of {text.count(progress.steps)}"
    facts = _facts(progress)
    if stage:
        yield [epoch, stage, step, *facts]
    yield from ([epoch, step, *facts[:count]] for count in range(len(facts), -1, -1))
    short = epoch.replace(" of ", "/")
    yield from ([short, step.replace(" of ", "/")], [short], [])


def _facts(progress: Progress) -> list[str]:
    """Return what is shown of a worker where there is room, the dearest first."""
    if progress.phase in _DOING:
        return [_DOING[progress.phase]]
    if not progress.step:
        return []
    return [f"loss {text.loss(progress.loss)}", f"{text.rate(progress.images_per_second)} img/s"]


def _indented(content: RenderableType) -> RenderableType:
    return Padding(content, (0, 0, 0, 1))
