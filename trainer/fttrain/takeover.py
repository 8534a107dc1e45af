"""An attempt that begins where another one was, and tells again what that had told."""

from fttrain import events
from fttrain.attempt import Attempt
from fttrain.resumption import Resumption


def resumed(attempt: Attempt, start: Resumption) -> Attempt:
    """Return an attempt as an earlier one of its job was when it kept a checkpoint; tell of it."""
    begun = _as_of(attempt, start)
    here = begun.suspended
    begun.journal.write(
        events.Resumed(
            attempt=start.card.attempt, epoch=here.epoch, step=here.step, inexact=start.inexact
        )
    )
    return _retold(begun, start)


def continued(attempt: Attempt, start: Resumption) -> Attempt:
    """Return an attempt as another, ended job was when it kept its last checkpoint; tell of it."""
    begun = _as_of(attempt, start)
    if start.inexact:
        begun.notice(f"what comes may differ from an unbroken run: {start.inexact}")
    return _retold(begun, start)


def _as_of(attempt: Attempt, start: Resumption) -> Attempt:
    *before, now = start.progress(attempt.plan)
    begun = attempt.repeated(now.repeat) if now.repeat else attempt
    begun.reserve, begun.progress, begun.before = attempt.reserve, now, tuple(before)
    begun.partial, begun.bad = start.card.partial, attempt.bad | start.card.spared
    begun.log.go_on(images=start.card.images, data_wait_s=start.card.data_wait_s)
    begun.keeping.inexact = start.inexact
    return begun


def _retold(attempt: Attempt, start: Resumption) -> Attempt:
    attempt.tell([*start.card.epochs, *start.carry(attempt.run_dir, attempt.keeping)])
    return attempt
