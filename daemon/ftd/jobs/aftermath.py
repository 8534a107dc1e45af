"""What becomes of a job when one of its attempts has ended: its end, or another attempt."""

from dataclasses import dataclass, replace
from datetime import timedelta

import structlog

from ftd.jobs import outcome, retrying
from ftd.jobs.ledger import Change, Ledger
from ftd.jobs.model import EventKind, Job, JobState, NewEvent, Outcome, OutcomeReason
from fttrain.spec import faults, halving
from fttrain.spec.plan import Plan

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Aftermath:
    """Decides what follows an attempt."""

    ledger: Ledger
    state: JobState
    """The terminal one in which the job would end."""
    how: Outcome
    """How the attempt ended."""
    fruitful: int
    """Number of the latest attempt that got on; 0: none."""

    def of(self, job: Job) -> Change:
        """Return what becomes of the job."""
        if self._is_mended_by_itself(job):
            log.warning("attempt_lost", job_id=job.id, attempt=job.attempt)
            self.ledger.tell_retry(self.how.reason)
            reason = retrying.lost_reason(job.attempt)
            return self.ledger.transition(job, JobState.QUEUED, reason=reason)
        # Whoever is being cancelled has no use for another attempt.
        if self.state is JobState.FAILED and job.state is not JobState.CANCELLING:
            return self._again(job) or self._failed(job)
        return self.ledger.transition(job, self.state, outcome=self.how)

    def _is_mended_by_itself(self, job: Job) -> bool:
        return self.how.reason is OutcomeReason.LOST and retrying.goes_on_after_loss(
            attempt=job.attempt, fruitful=self.fruitful
        )

    def _again(self, job: Job) -> Change | None:
        """Return the change to another attempt; None where that would mend nothing."""
        retries = job.request.retries
        eased = eased_after(self.how.reason, job)
        if eased is None:
            return None
        # Who needs less memory need not wait until there is more of it.
        is_eased = eased.plan_json != job.plan_json
        reason = OutcomeReason.OUT_OF_MEMORY if is_eased else self.how.reason
        wait_s = retrying.backoff_s(reason, failures=job.failures, retries=retries)
        if wait_s is None:
            return None
        now = self.ledger.clock()
        until, failures = now + timedelta(seconds=wait_s), job.failures + 1
        waiting = replace(eased, failures=failures, retry_time=until)
        why = retrying.backing_off(self.how, until, failures=failures, retries=retries)
        told = [self._event(EventKind.NOTICE, job, message=self._told(job))]
        if is_eased:
            told.append(self._event(EventKind.NOTICE, job, message=_capital(eased.inexact)))
            told.append(self._event(EventKind.PLANNED, job, plan_json=eased.plan_json))
        log.warning("attempt_failed", job_id=job.id, attempt=job.attempt, reason=self.how.reason)
        self.ledger.tell_retry(self.how.reason)
        change = self.ledger.transition(waiting, JobState.QUEUED, reason=why)
        return replace(change, events=[*told, *change.events])

    def _failed(self, job: Job) -> Change:
        how = self.how
        if how.reason is OutcomeReason.LOST:
            how = outcome.lost_for_good(how)
        if job.failures:
            times = "once" if job.failures == 1 else f"{job.failures} times"
            how = replace(how, message=f"{how.message} It had been started again {times} before.")
        return self.ledger.transition(job, JobState.FAILED, outcome=how)

    def _told(self, job: Job) -> str:
        return f"Attempt {job.attempt} failed: {self.how.message} `ftctl get` has its last lines."

    def _event(self, kind: EventKind, job: Job, **body: str) -> NewEvent:
        return NewEvent(kind=kind, time=self.ledger.clock(), attempt=job.attempt, body=body)


def eased_after(reason: OutcomeReason, job: Job) -> Job | None:
    """Return the job as it can be tried again: with smaller batches where memory ran out.

    None where it would end the same way again.
    """
    is_device = reason is OutcomeReason.OUT_OF_MEMORY
    if not is_device and reason is not OutcomeReason.HOST_OUT_OF_MEMORY:
        return job
    # The machine's memory may have run out for others' sake: there is hope without a change.
    otherwise = None if is_device else job
    try:
        train = faults.parse(job.request.recipe_json).train
        plan = Plan.model_validate_json(job.plan_json)
    except (faults.RecipeFaults, ValueError):  # of another version
        return otherwise
    # A net that trains on a card keeps little in the machine's memory.
    is_helped = is_device or plan.device == "cpu"
    if train.out_of_memory == "never" or train.resume == "exact" or not is_helped:
        return otherwise
    smaller = halving.halved(plan)
    if smaller is None:
        return otherwise
    before, now = halving.difference(plan), halving.difference(smaller)
    others = [each for each in job.inexact.split("; ") if each and each != before]
    return replace(
        job, plan_json=smaller.model_dump_json(), inexact="; ".join(dict.fromkeys([*others, now]))
    )


def _capital(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
