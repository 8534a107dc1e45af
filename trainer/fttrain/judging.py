"""The net as it is judged, kept and exported: by the mean of its weights, with new statistics."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from torch import Tensor

from fttrain.loop import Training
from fttrain.models import norms


@contextmanager
def judged(
    training: Training, recalibrate: Callable[[], None] | None
) -> Iterator[dict[str, Tensor]]:
    """Have the net hold what it is judged by; afterwards it trains on as if nothing had been.

    Yields by name what it holds again afterwards, where that is something else.
    `recalibrate` takes the statistics of BatchNorm anew; None: they are what training left.
    """
    live: dict[str, Tensor] = {}
    with ExitStack() as stack:
        if training.ema is not None:
            live |= stack.enter_context(training.ema.applied())
        if recalibrate is not None:
            live |= stack.enter_context(norms.restoring(training.net.module))
            recalibrate()
        yield live
