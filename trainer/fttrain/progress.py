"""How far a training has come: what it remembers of its epochs, and where it goes on."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from fttrain import stopping
from fttrain.events import EpochEnded
from fttrain.spec import itinerary
from fttrain.spec.plan import Plan
from fttrain.spec.training import EarlyStopping


@dataclass(slots=True, kw_only=True)
class Progress:
    """One training of the net; where the recipe repeats it, one of several."""

    repeat: int = 0
    """Which of several, from 1; 0: there is but one."""
    step: int = 0
    """Steps finished."""
    epochs: list[EpochEnded] = field(default_factory=list)
    best: EpochEnded | None = None
    record: float = float("-inf")
    """The best accuracy of the whole run, repeats before this one included."""
    holds_record: bool = False

    def take(self, ended: EpochEnded) -> None:
        """Remember an epoch that has ended."""
        self.epochs.append(ended)
        if ended.train is None or ended.val is None:
            return
        if self.best is None or ended.val.accuracy > self.reached:
            self.best = ended
        if ended.best:
            self.record, self.holds_record = ended.val.accuracy, True

    @property
    def reached(self) -> float:
        """The best accuracy."""
        assert self.best is not None
        assert self.best.val is not None
        return self.best.val.accuracy

    @property
    def trained(self) -> int:
        """How many epochs are complete, an evaluation before the first not counted."""
        return sum(ended.train is not None for ended in self.epochs)

    def begun(self, plan: Plan) -> int:
        """Return how many steps of the next epoch are done."""
        return self.step - itinerary.steps_until(plan, self.trained)

    def epochs_before(self, plan: Plan) -> int:
        """Return how many epochs the repeats before this one may have had."""
        return max(self.repeat - 1, 0) * plan.epochs

    def steps_before(self, plan: Plan) -> int:
        """Return how many steps the repeats before this one may have had."""
        return max(self.repeat - 1, 0) * plan.steps

    def is_exhausted(self, rule: EarlyStopping | None, plan: Plan) -> bool:
        """Return whether it ends here because validation has stopped to improve in the last
        stage."""
        last = itinerary.number(plan, len(plan.stages) - 1)
        judged = [ended for ended in self.epochs if ended.stage == last]
        return self.begun(plan) == 0 and stopping.is_due(rule, judged)

    def is_whole(self, rule: EarlyStopping | None, plan: Plan) -> bool:
        """Return whether it went as far as it should."""
        return self.trained == plan.epochs or self.is_exhausted(rule, plan)


def retold(epochs: Sequence[EpochEnded], plan: Plan, *, repeat: int, step: int) -> list[Progress]:
    """Return what the epochs of a run come to, by repeat; all but the last have ended.

    Args:
        epochs: of the whole run so far.
        plan: of the run.
        repeat: which one is under way, from 1; 0: there is but one.
        step: the steps of the whole run that are done.
    """
    found: list[Progress] = []
    for number in range(1, repeat + 1) if repeat else (0,):
        progress = Progress(repeat=number, record=found[-1].record if found else float("-inf"))
        for ended in epochs:
            if ended.repeat == number or (ended.train is None and number <= 1):
                progress.take(ended)
                progress.step = ended.step - progress.steps_before(plan)
        found.append(progress)
    found[-1].step = step - found[-1].steps_before(plan)
    return found


def best_of(epochs: Iterable[EpochEnded]) -> EpochEnded | None:
    """Return the best epoch of a whole run."""
    return next((ended for ended in reversed(list(epochs)) if ended.best), None)
