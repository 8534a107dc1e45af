# Generated from ftctl/_async by `make sync`; do not edit.
"""Jobs beside one another, and beside those that other daemons' clients have exported."""

import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Literal

from finetuned.v1 import job_service_pb2 as job_api
from finetuned.v1 import plot_service_pb2 as pb
from ftctl import curvewire, wire
from ftctl._sync.artifacts import Artifacts
from ftctl._sync.plotting import DEADLINE_S, Scale, scale
from ftctl.comparison import files, verdicts
from ftctl.comparison.comparison import Comparison, compare
from ftctl.comparison.run import Run, read
from ftctl.comparison.verdicts import Verdicts
from ftctl.errors import ArtifactNotFound
from ftctl.models import Job
from ftctl.transport import blocking as transport
from ftctl.view import jsontext

Panel = Literal["loss", "accuracy", "error"]
NOT_ENDED = "is not done and has no verdicts yet"
NO_TABLE = "left no table of verdicts (table/verdicts)"


class Comparisons(Artifacts):
    """The part of a client that is about several jobs at once."""

    def compare(self, jobs: Sequence[str | Path], *, baseline: str = "") -> Comparison:
        """Compare jobs: the settings that differ, what came of each, and what that says.

        Args:
            jobs: Ids, beginnings of ids, names; and files of `ftctl compare -o json`,
                `ftctl get -o json` or `ftctl metrics -o json`, of any daemon. A text with a dot or
                a slash is a file.
            baseline: Which of them the others are held against. Empty: the first.

        Raises:
            BadInput: for fewer than two runs, one that is there twice, or a file of another kind.
        """
        return compare(self.runs(jobs), baseline=baseline)

    def runs(self, jobs: Sequence[str | Path]) -> list[Run]:
        """Return jobs and exported files as they are compared, verdicts included.

        Args:
            jobs: As in `compare`; one is enough.
        """
        found: list[Run] = []
        for each in jobs:
            if files.is_file(each):
                found += transport.aside(partial(files.read, each))
            else:
                found.append(self._run(str(each)))
        return found

    def plot_runs(
        self,
        runs: Sequence[Run],
        *,
        x: Scale | None = None,
        y: Scale | None = None,
        metrics: Sequence[Panel] = (),
    ) -> bytes:
        """Return the curves of runs as a PNG file: training beside validation, best lines, stages.

        Args:
            runs: At most 8, as `compare` has them (`Comparison.runs`).
            x: The scale of the horizontal axes.
            y: The scale of the vertical axes.
            metrics: A row of panels each. Default: accuracy and loss.

        Raises:
            InvalidRequest: where they cannot be drawn so.
        """
        request = pb.PlotRunsRequest(
            runs=map(curvewire.curve, runs), x=scale(x), y=scale(y), metrics=metrics
        )
        connection = self._connection
        response = connection.ask(connection.plots.PlotRuns, request, deadline_s=DEADLINE_S)
        return response.png

    def _run(self, ref: str) -> Run:
        connection = self._connection
        response = connection.ask(connection.jobs.GetJob, job_api.GetJobRequest(job=ref))
        job = wire.job(response.job)
        told, silence = self._verdicts(job)
        return read(jsontext.fields(job), verdicts=told, silence=silence)

    def _verdicts(self, job: Job) -> tuple[Verdicts | None, str]:
        """Return what a job's best checkpoint said of the validation images, or why not."""
        if not any(artifact.kind == verdicts.KIND for artifact in job.artifacts):
            return None, NO_TABLE if job.state.is_terminal else NOT_ENDED
        with tempfile.TemporaryDirectory(prefix="ftctl-") as folder:
            try:
                path = self.pull(job.id, verdicts.KIND, folder)
            except ArtifactNotFound:
                return None, NO_TABLE
            return transport.aside(partial(verdicts.of_file, path)), ""
