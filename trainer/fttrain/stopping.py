"""When validation has stopped to improve: a pure function of the epochs so far."""

from collections.abc import Sequence

from fttrain.events import EpochEnded, Score
from fttrain.spec.training import EarlyStopping


def is_due(rule: EarlyStopping | None, epochs: Sequence[EpochEnded]) -> bool:
    """Tell whether a training ends here. An evaluation before any training does not count.

    `epochs` are those of one repeat alone, whatever their numbers.
    """
    trained = [ended for ended in epochs if ended.train is not None]
    if rule is None or len(trained) < rule.min_epochs:
        return False
    scores = [ended.val for ended in trained if ended.val is not None]
    return _in_vain(rule, scores) >= rule.patience


def _in_vain(rule: EarlyStopping, scores: Sequence[Score]) -> int:
    """Return how many evaluations have come since the last improvement."""
    count, best = 0, float("-inf")
    for score in scores:
        value = score.accuracy if rule.metric == "accuracy" else -score.loss
        if value > best + rule.min_delta:
            count, best = 0, value
        else:
            count += 1
    return count
