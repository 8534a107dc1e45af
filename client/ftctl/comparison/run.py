"""One run of a comparison: what of a job is compared, wherever it comes from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

from ftctl.comparison.verdicts import Verdicts
from ftctl.errors import BadInput
from ftctl.models import Epoch, JobState
from ftctl.scores import Score, Spread


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A job as `ftctl get -o json` has it, read as far as it is compared."""

    label: str
    """Its name; where several have it, with what tells them apart."""
    told: Mapping[str, Any] = field(repr=False)
    """All that is known of it, as plain data; an exported file keeps it."""
    origin: str = ""
    """The file that it comes from. Empty: the daemon."""
    epochs: tuple[Epoch, ...] = field(repr=False)
    spread: Spread | None = None
    test: Score | None = None
    """What the best checkpoint scored on the test images, read for this alone."""
    verdicts: Verdicts | None = field(default=None, repr=False)
    silence: str = ""
    """Why there are no verdicts."""

    @property
    def name(self) -> str:
        """The job's name."""
        return str(self.told.get("name") or "")

    @property
    def id(self) -> str:
        """The job's id; empty for a list of epochs."""
        return str(self.told.get("id") or "")

    @property
    def state(self) -> str:
        """Where it stood; empty for a list of epochs."""
        return str(self.told.get("state") or "")

    @property
    def is_under_way(self) -> bool:
        """True where more of it may come."""
        return bool(self.state) and not _state(self.state).is_terminal

    @property
    def recipe(self) -> Mapping[str, Any]:
        """With defaults filled in; empty where it is not known."""
        return _mapping(self.told.get("recipe"))

    @property
    def plan(self) -> Mapping[str, Any]:
        """How it was run; empty where it is not known."""
        return _mapping(self.told.get("plan"))

    @property
    def seconds(self) -> float | None:
        """How long workers of it ran, all attempts together; None where one runs still, or none
        did."""
        spans = [_span(_mapping(each)) for each in self.told.get("attempts") or ()]
        known = [span for span in spans if span is not None]
        return sum(known) if known and len(known) == len(spans) else None

    def fact(self, *path: str) -> Any:
        """Return a value of the plan; None where it is not there."""
        value: Any = self.plan
        for key in path:
            value = _mapping(value).get(key)
        return value


def read(
    told: Mapping[str, Any], *, origin: str = "", verdicts: Verdicts | None = None, silence: str
) -> Run:
    """Read the fields of a job as `ftctl get -o json` has them.

    Raises:
        BadInput: where they are not such fields.
    """
    name = told.get("name")
    if not isinstance(name, str) or not isinstance(told.get("epochs"), list | tuple):
        raise BadInput("has no job in it: `name` or `epochs` is missing")
    try:
        epochs = tuple(_epoch(each) for each in told["epochs"])
        spread = _mapping(_mapping(told.get("outcome")).get("spread"))
        known = _spread(spread) if spread else None
        test = _test(told.get("evaluations") or ())
    except (TypeError, ValueError, KeyError, AttributeError):
        raise BadInput(f"the epochs of {name} are not as `ftctl get -o json` has them") from None
    return Run(
        label=name, told=told, origin=origin, epochs=epochs, spread=known, test=test,
        verdicts=verdicts, silence=silence,
    )  # fmt: skip


def score(told: Mapping[str, Any] | None) -> Score | None:
    """Read a score. Raises TypeError or ValueError where it is none."""
    if told is None:
        return None
    read = Score(**{each.name: told[each.name] for each in fields(Score) if each.name in told})
    if not 0 <= read.correct <= read.count or not read.count:
        raise ValueError(f"{read.correct} of {read.count}")
    return read


def _epoch(told: Mapping[str, Any]) -> Epoch:
    known = {each.name: told[each.name] for each in fields(Epoch) if each.name in told}
    scores = {split: score(known[split]) for split in ("train", "val")}
    lrs = tuple(float(each) for each in known["lrs"])
    epoch = Epoch(**{**known, **scores, "lrs": lrs})
    return _with_numbers(epoch)


def _with_numbers(epoch: Epoch) -> Epoch:
    """Return the epoch. Raises TypeError where text stands for a number."""
    numbers: Sequence[Any] = (epoch.epoch, epoch.seconds, epoch.memory_bytes)
    for each in (epoch.train, epoch.val):
        if each is not None:
            numbers = (*numbers, each.loss, each.accuracy)
    if not all(isinstance(number, int | float) for number in numbers):
        raise TypeError
    return epoch


def _spread(told: Mapping[str, Any]) -> Spread:
    known = {each.name: told[each.name] for each in fields(Spread)}
    return Spread(**{**known, "accuracies": tuple(known["accuracies"])})


def _test(evaluations: Sequence[Mapping[str, Any]]) -> Score | None:
    return next((score(each["score"]) for each in evaluations if each["split"] == "test"), None)


def _state(word: str) -> JobState:
    return JobState(word) if word in set(JobState) else JobState.UNKNOWN


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _span(attempt: Mapping[str, Any]) -> float | None:
    try:
        begun, ended = (datetime.fromisoformat(attempt[f"{end}_time"]) for end in ("start", "end"))
    except (KeyError, TypeError, ValueError):
        return None
    return (ended - begun).total_seconds()
