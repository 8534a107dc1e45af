"""Jobs evaluated again by the daemon, without training."""

from collections.abc import Callable
from pathlib import Path

from finetuned.v1 import evaluation_service_pb2 as pb
from ftctl import evaluations, status, wire
from ftctl._async.connection import AsyncConnection
from ftctl.errors import DaemonError
from ftctl.evaluations import EvaluationProgress, EvaluationReport
from ftctl.transport import aio as transport

# A million images beside training on every core.
DEADLINE_S = 8 * 3600.0

OnEvaluated = Callable[[EvaluationProgress], None]
"""Is told how far an evaluation is."""


class AsyncEvaluations:
    """The part of a client that is about evaluating jobs again."""

    _connection: AsyncConnection

    async def evaluate(
        self,
        job: str,
        *,
        data: str | Path = "",
        split: str = "",
        allow_missing: bool = False,
        verdicts: bool = False,
        confusion: bool = False,
        on_progress: OnEvaluated | None = None,
    ) -> EvaluationReport:
        """Return how well a job's net does on labelled images of the daemon's machine.

        That of an ended job, or the best checkpoint of one that trains; beside training, never on
        an accelerator. On the job's validation images the figures are exactly those of the job.

        Args:
            job: Id, prefix of an id, or name.
            data: Other images than the job's own: a folder with a subfolder per class, or a table
                (.csv, .tsv, .jsonl) with the columns image and label; or `dataset:NAME` or
                `dataset:NAME/FOLDER`, which was pushed.
            split: Of the job's own images: `val` (default), or `train` as evaluation sees them.
            allow_missing: Classes without an image count for nothing, instead of being refused.
            verdicts: Also return what the net says of each image.
            confusion: Also return a picture of who is taken for whom.
            on_progress: Told how far it is.

        Raises:
            ImagesLocked: where these are the images that the job itself tests on.
            InvalidRequest: where the images are not there, have other classes, or are damaged.
            ArtifactNotFound: where the job has no net yet.
        """
        connection = self._connection
        wanted = evaluations.images(str(data) if data else "", split, address=connection.address)
        request = pb.EvaluateJobRequest(
            job=job, allow_missing=allow_missing, verdicts=verdicts, confusion=confusion, **wanted
        )
        await connection.reach()
        call = transport.opened(
            lambda: connection.evaluations.EvaluateJob(request, timeout=DEADLINE_S)
        )
        gathered = _Gathered(on_progress)
        try:
            async for response in call:
                gathered.add(response)
        except transport.RpcError as error:
            raise status.from_rpc(error, address=str(connection.address)) from None
        finally:
            call.cancel()
        return gathered.report()


class _Gathered:
    """What an evaluation has brought so far."""

    def __init__(self, on_progress: OnEvaluated | None) -> None:
        self._on_progress = on_progress
        self._report: pb.EvaluationReport | None = None
        self._verdicts: list[bytes] = []
        self._confusion: list[bytes] = []

    def add(self, response: pb.EvaluateJobResponse) -> None:
        """Take in what comes next."""
        match response.WhichOneof("step"):
            case "progress" if self._on_progress is not None:
                told = response.progress
                self._on_progress(EvaluationProgress(done=told.done, images=told.images))
            case "report":
                self._report = response.report
            case "verdicts":
                self._verdicts.append(response.verdicts)
            case "confusion":
                self._confusion.append(response.confusion)

    def report(self) -> EvaluationReport:
        """Return all of it. Raises DaemonError where the stream ended before the report."""
        if self._report is None:
            raise DaemonError("the daemon ended the evaluation without a result; evaluate again")
        return EvaluationReport(
            images=self._report.images,
            evaluation=wire.evaluation(self._report.evaluation),
            left_out={each.name: each.why for each in self._report.left_out},
            left_out_count=self._report.left_out_count,
            notices=tuple(self._report.notices),
            verdicts=b"".join(self._verdicts),
            confusion=b"".join(self._confusion),
        )
