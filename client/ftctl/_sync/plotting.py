# Generated from ftctl/_async by `make sync`; do not edit.
"""Pictures of what jobs have measured, drawn by the daemon."""

from collections.abc import Sequence
from typing import Literal

from finetuned.v1 import plot_service_pb2 as pb
from ftctl._sync.connection import Connection

Scale = Literal["linear", "log"]
# A picture takes a second or two; beside training on every core it may take a minute or more.
DEADLINE_S = 300.0


class Plots:
    """The part of a client that is about pictures."""

    _connection: Connection

    def plot(
        self,
        *jobs: str,
        kind: str = "curves",
        x: Scale | None = None,
        y: Scale | None = None,
        metrics: Sequence[str] = (),
    ) -> bytes:
        """Return a picture as a PNG file, drawn anew from the job's numbers.

        Args:
            jobs: Ids, beginnings of ids, or names. One; for curves up to 8, in the same axes.
            kind: `curves` (also while a job trains), `confusion`, `confusion-test`, `predictions`,
                `mistakes`, `filters`, `features`, `guided_backprop`, `augmentations`.
            x: The scale of the horizontal axis. Curves only.
            y: The scale of the vertical axes. Curves only.
            metrics: For curves a panel each: `loss`, `accuracy`, `error`, `balanced_accuracy`,
                `top5_accuracy`, `calibration_error`, `lr`. For confusion one of `recall`,
                `precision`, `count`. For mistakes `loss`, `confidence`, `class`; for filters
                `each` or `joint`; for features names of layers.

        Raises:
            ArtifactNotFound: where a job has nothing of this kind, or not yet.
            InvalidRequest: where it cannot be drawn so.
        """
        request = pb.PlotJobRequest(jobs=jobs, kind=kind, x=scale(x), y=scale(y), metrics=metrics)
        connection = self._connection
        response = connection.ask(connection.plots.PlotJob, request, deadline_s=DEADLINE_S)
        return response.png


def scale(name: Scale | None) -> pb.AxisScale.ValueType:
    """Write a scale as the API's enum."""
    return pb.AxisScale.Value(f"AXIS_SCALE_{(name or 'unspecified').upper()}")
