"""Counts what happens in the daemon, as it is told. For the event loop alone."""

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from ftd.devices.model import JobMemory
from ftd.jobs.figures import JobFigures
from ftd.jobs.model import Job, JobId, JobState, OutcomeReason
from ftd.jobs.retrying import MENDABLE
from ftd.metrics import catalogue
from ftd.metrics.histogram import Distribution, Histogram

HOLDING = frozenset({JobState.STARTING, JobState.RUNNING, JobState.CANCELLING})
"""The states in which a job has devices."""
FAILURES = tuple(
    reason
    for reason in OutcomeReason
    if reason not in (OutcomeReason.COMPLETED, OutcomeReason.CANCELLED_BY_USER)
)
"""Why a job can fail."""
MENDED = (*MENDABLE, OutcomeReason.LOST)
"""What another attempt can mend."""
Figures = Callable[[Job], JobFigures]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A method of the API."""

    type: str
    """unary, client_stream, server_stream or bidi_stream."""
    service: str
    """With its package."""
    method: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Worked:
    """A job that holds devices, or held them until lately, with what the tally knows of it."""

    figures: JobFigures
    model: str
    """A classifier of torchvision by its name there, or `cnn`."""
    told: datetime
    """When its worker was last heard of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """All that was counted, at one moment."""

    jobs: Mapping[JobState, int]
    submitted: int
    finished: int
    failed: Mapping[OutcomeReason, int]
    retried: Mapping[OutcomeReason, int]
    """Failures that were followed by another attempt."""
    cancelled: int
    queue_wait: Distribution
    starts: Mapping[bool, Distribution]
    """By whether a worker waited."""
    commits: Distribution
    handled: Mapping[tuple[Call, str], int]
    """By method and code."""
    handling: Mapping[Call, Distribution]


@dataclass(slots=True, kw_only=True)
class _Trace:
    """What is remembered of an unfinished job."""

    queued: datetime
    told: datetime
    left: datetime | None = None
    """When it left the queue, until its first step is finished."""
    is_warm: bool = False
    model: str = ""
    memory: JobMemory | None = None
    """As it was last measured: at the end there is no process left to measure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ended:
    worked: Worked
    until: datetime


@dataclass(slots=True)
class Tally:
    """Counts since the daemon started.

    Args:
        opened: when that was. A job made before is taken up, not submitted.
        ended: how many jobs the store holds in each terminal state.
        calls: the methods of the API.
        codes: those with which they are known to end.
        grace_s: for how long an ended job is remembered.
    """

    opened: datetime
    ended: Mapping[JobState, int]
    calls: Collection[Call] = ()
    codes: Collection[str] = ("OK",)
    grace_s: float = 60.0
    figures: Figures | None = None
    """Tells of a job in the moment in which it ends."""
    _jobs: Counter[JobState] = field(init=False)
    _failed: Counter[OutcomeReason] = field(init=False)
    _retried: Counter[OutcomeReason] = field(init=False)
    _handled: Counter[tuple[Call, str]] = field(init=False)
    _handling: dict[Call, Histogram] = field(init=False)
    _submitted: int = field(init=False, default=0)
    _finished: int = field(init=False, default=0)
    _cancelled: int = field(init=False, default=0)
    _queue_wait: Histogram = field(init=False)
    _starts: dict[bool, Histogram] = field(init=False)
    _commits: Histogram = field(init=False)
    _traces: dict[JobId, _Trace] = field(init=False, default_factory=dict)
    _lately: dict[JobId, _Ended] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._jobs = Counter({state: self.ended.get(state, 0) for state in JobState})
        self._failed = Counter(dict.fromkeys(FAILURES, 0))
        self._retried = Counter(dict.fromkeys(MENDED, 0))
        self._handled = Counter({(call, code): 0 for call in self.calls for code in self.codes})
        self._handling = {call: Histogram(catalogue.CALLS) for call in self.calls}
        self._queue_wait = Histogram(catalogue.WAITS)
        self._starts = {is_warm: Histogram(catalogue.STARTS) for is_warm in (True, False)}
        self._commits = Histogram(catalogue.COMMITS)

    # --- what is told ---------------------------------------------------------------------

    def on_change(self, before: Job | None, after: Job, now: datetime) -> None:
        """Take note of a job as it is stored. `before` is None where it is new to this daemon."""
        self._jobs[after.state] += 1
        if before is None:
            self._on_arrival(after, now)
            return
        self._jobs[before.state] -= 1
        trace = self._traces[after.id]
        if after.state is not before.state:
            trace.told = now
            self._on_move(before, after, trace, now)
        if after.progress != before.progress:
            self._on_step(after, trace, now)
        elif len(after.epochs) > len(before.epochs):
            trace.told = now
        if after.state.is_terminal:
            self._on_end(before, after, trace, now)

    def on_retry(self, reason: OutcomeReason) -> None:
        """Take note of a failure that is followed by another attempt."""
        self._retried[reason] += 1

    def on_start(self, job_id: JobId, *, is_warm: bool) -> None:
        """Take note of whether a worker waited for a job that is being started."""
        if trace := self._traces.get(job_id):
            trace.is_warm = is_warm

    def on_commit(self, seconds: float) -> None:
        """Take note of a commit of the store."""
        self._commits.observe(seconds)

    def on_rpc(self, call: Call, code: str, seconds: float) -> None:
        """Take note of a call that was answered, a stream that ended. `code`: gRPC's name of it."""
        self._handled[call, code] += 1
        self._handling[call].observe(seconds)

    # --- what is known --------------------------------------------------------------------

    def counts(self) -> Counts:
        """Return what was counted so far."""
        return Counts(
            jobs=dict(self._jobs),
            submitted=self._submitted,
            finished=self._finished,
            failed=dict(self._failed),
            retried=dict(self._retried),
            cancelled=self._cancelled,
            queue_wait=self._queue_wait.distribution(),
            starts={warm: each.distribution() for warm, each in self._starts.items()},
            commits=self._commits.distribution(),
            handled=dict(self._handled),
            handling={call: each.distribution() for call, each in self._handling.items()},
        )

    def worked(self, holders: Iterable[JobFigures], now: datetime) -> tuple[Worked, ...]:
        """Return the jobs that hold devices, and those that ended less than the grace ago."""
        holding = [
            Worked(figures=each, model=trace.model, told=trace.told)
            for each in holders
            if each.job.state in HOLDING
            for trace in [self._traces[each.job.id]]
        ]
        lately = [each.worked for each in self._lately.values() if now < each.until]
        return (*holding, *lately)

    # --- a job's way ----------------------------------------------------------------------

    def _on_arrival(self, job: Job, now: datetime) -> None:
        self._submitted += job.create_time >= self.opened
        # When one came back into the queue under an earlier daemon, nobody knows any more.
        queued = now if job.attempt else job.create_time
        self._traces[job.id] = trace = _Trace(queued=queued, told=now)
        if job.state in HOLDING:
            trace.model = _model(job)

    def _on_move(self, before: Job, after: Job, trace: _Trace, now: datetime) -> None:
        if after.state is JobState.STARTING:
            self._queue_wait.observe((now - trace.queued).total_seconds())
            trace.left, trace.is_warm, trace.model = now, False, _model(after)
        elif after.state is JobState.QUEUED:
            trace.queued, trace.left = now, None

    def _on_step(self, after: Job, trace: _Trace, now: datetime) -> None:
        trace.told = now
        if self.figures is not None:
            trace.memory = self.figures(after).memory or trace.memory
        if trace.left is not None:
            self._starts[trace.is_warm].observe((now - trace.left).total_seconds())
            trace.left = None

    def _on_end(self, before: Job, after: Job, trace: _Trace, now: datetime) -> None:
        self._finished += 1
        if after.state is JobState.CANCELLED:
            self._cancelled += 1
        elif after.state is JobState.FAILED and after.outcome is not None:
            self._failed[after.outcome.reason] += 1
        del self._traces[after.id]
        self._lately = {key: each for key, each in self._lately.items() if now < each.until}
        if before.state in HOLDING and self.figures is not None:
            figures = self.figures(after)
            figures = replace(figures, memory=figures.memory or trace.memory)
            worked = Worked(figures=figures, model=trace.model, told=trace.told)
            until = now + timedelta(seconds=self.grace_s)
            self._lately[after.id] = _Ended(worked=worked, until=until)


def _model(job: Job) -> str:
    model = json.loads(job.request.recipe_json)["model"]
    return str(model.get("name") or next((kind for kind in ("cnn", "rn") if kind in model), ""))
