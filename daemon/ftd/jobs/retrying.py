"""Whether a job gets another attempt when one has ended. Pure."""

LOST_TRIES = 5
"""Attempts in a row that may be lost or not even begin, without an epoch or a checkpoint."""


def goes_on_after_loss(*, attempt: int, fruitful: int) -> bool:
    """Return whether a job that lost an attempt through no fault of its own gets another one.

    It does, whatever its `retries` say, as long as it gets on: a job that takes the machine down
    each time must not do so for ever.

    Args:
        attempt: number of the one that is lost.
        fruitful: number of the latest one that told an epoch or kept a checkpoint; 0: none.
    """
    return attempt - fruitful < LOST_TRIES


def lost_reason(attempt: int) -> str:
    """Return why a job waits whose attempt is lost."""
    return f"attempt {attempt} was lost: goes on from its last checkpoint"
