# Generated from ftctl/_async by `make sync`; do not edit.
"""The client of a daemon: one method per thing that one can ask of it."""

import time
import uuid
from collections.abc import Generator, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from finetuned.v1 import job_service_pb2 as pb
from ftctl import channel, choice, html, models, wire
from ftctl._sync import following
from ftctl._sync.comparing import Comparisons
from ftctl._sync.connection import Connection
from ftctl._sync.datasets import SyncDatasets
from ftctl._sync.drawing import Blueprints
from ftctl._sync.evaluating import Evaluations, OnEvaluated
from ftctl._sync.listing import Listing
from ftctl._sync.machine import Machine
from ftctl._sync.plotting import Plots
from ftctl._sync.predicting import Models
from ftctl._sync.similarity import Similarities
from ftctl._sync.stream import OnGap
from ftctl.address import Server, Socket
from ftctl.errors import Fault, FtctlError, InvalidJob, NotEnded
from ftctl.evaluations import EvaluationReport
from ftctl.jobfile import JobFile
from ftctl.predictions import Prediction
from ftctl.source import JobSource, job_file
from ftctl.tables import Metrics
from ftctl.transport import blocking as transport

# How long a daemon may be away, as in a restart, before who follows a job is told.
PATIENCE_S = 30.0


class Client(
    Blueprints, Comparisons, SyncDatasets, Evaluations, Listing,
    Machine, Models, Plots, Similarities,
):  # fmt: skip
    """A connection to a daemon.

        with Client() as client:
            job = client.submit("job.yaml")
            for event in job.watch():
                print(event)
            finished = job.wait()
            finished.check()

    Where neither socket nor server is given, it is that of FTCTL_SOCKET, FTCTL_SERVER or
    FTCTL_CONTEXT; of FTD_SOCKET; of the current context of `ftctl context`; or where a daemon of
    this user listens. It connects when it is first used, and again after `close`.

    Args:
        socket: Path of the daemon's socket.
        server: HOST:PORT of a daemon on another machine, reached by TLS.
        token: What the server knows its user by. Default: FTCTL_TOKEN.
        ca: File of the certificates that are trusted, as PEM. Default: FTCTL_CA, else those that
            the system trusts.
        patience_s: How long `watch`, `wait` and `logs` try again after the daemon went away.
    """

    def __init__(
        self,
        socket: str | Path | None = None,
        *,
        server: str | None = None,
        token: str | None = None,
        ca: str | Path | None = None,
        patience_s: float = PATIENCE_S,
    ) -> None:
        """Choose the daemon. Raises BadInput where two are named, or a server without a token."""
        said = choice.Said(socket=socket, server=server, token=token, ca=ca)
        self.address = choice.find(said)
        """Where the daemon is: a socket or a server."""
        self._connection = Connection(self.address, patience_s=patience_s)

    @property
    def socket(self) -> Path | None:
        """The path of the daemon's socket. None: it is reached by TLS."""
        return self.address.path if isinstance(self.address, Socket) else None

    def __enter__(self) -> Self:
        """Connect. Raises DaemonUnreachable at once where nobody listens."""
        self._connection.reach()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the connection, and whatever is still asked over it."""
        self._connection.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of the daemon at {self.address}>"

    def _repr_html_(self) -> str:
        return html.card(type(self).__name__, [("daemon", str(self.address))])

    def submit(self, job: JobSource, *, overrides: Mapping[str, Any] | None = None) -> "JobHandle":
        """Submit a job; it is durable when this returns.

        Args:
            job: What to run.
            overrides: Field paths and what they shall be instead, as `{"train.epochs": 3}`.

        Raises:
            BadJobFile, InvalidJob, NameTaken: see their sentences. Faults that only the plan
                finds end the job, later.
        """
        submitted = self._submit(job, overrides, validate_only=False)
        return JobHandle(self, submitted)

    def validate(self, job: JobSource, *, overrides: Mapping[str, Any] | None = None) -> models.Job:
        """Check a job and make its plan without submitting it.

        The job has no id. It has no plan where that waits for another job, as its `reason` says.

        Raises:
            BadJobFile, InvalidJob: with all faults, those of the plan included.
        """
        return self._submit(job, overrides, validate_only=True)

    def get(self, job: str) -> models.Job:
        """Return a job by id, by at least four characters of an id, or by name."""
        response = self._connection.ask(self._connection.jobs.GetJob, pb.GetJobRequest(job=job))
        return wire.job(response.job)

    def metrics(self, job: str) -> Metrics:
        """Return the epochs that a job has finished, as a table."""
        standing = self.get(job)
        return Metrics(standing.epochs)

    def cancel(self, job: str, *, finish: bool = False) -> models.Job:
        """Cancel a job; one that has ended is returned as it is.

        Args:
            job: Id, prefix of an id, or name.
            finish: Let it end by itself after the epoch in progress, evaluated and exported.

        Raises:
            JobNotRunning: where it shall finish and has not begun to train.
        """
        response = self._connection.ask(
            self._connection.jobs.CancelJob, pb.CancelJobRequest(job=job, finish=finish)
        )
        return wire.job(response.job)

    def pause(self, job: str) -> models.Job:
        """Take a job off its devices; it goes on exactly where it was once it is resumed.

        Returns at once: a job that trains keeps a checkpoint first (`reason`: pausing).

        Raises:
            JobEnded
        """
        response = self._connection.ask(self._connection.jobs.PauseJob, pb.PauseJobRequest(job=job))
        return wire.job(response.job)

    def resume(self, job: str) -> models.Job:
        """Let a paused job go on; one that is not paused is returned as it is.

        Raises:
            JobEnded
        """
        response = self._connection.ask(
            self._connection.jobs.ResumeJob, pb.ResumeJobRequest(job=job)
        )
        return wire.job(response.job)

    def watch(
        self, job: str, *, after_sequence: int = 0, on_gap: OnGap | None = None
    ) -> Generator[models.Event, None]:
        """Yield the events of a job, each once and in order, until it has ended.

        Where the stream is cut it goes on by itself, without a gap.

        Args:
            job: Id, prefix of an id, or name.
            after_sequence: Sequence number of the last event already seen.
            on_gap: Called where the stream is cut, and about each second while it is tried again,
                with the seconds since the cut; with None once it is back.

        Raises:
            WatchInterrupted: where the daemon stays away.
        """
        request = pb.WatchJobRequest(job=job, after_sequence=after_sequence)
        return following.events(self._connection, request, on_gap=on_gap)

    def wait(self, job: str, *, timeout_s: float | None = None) -> models.Job:
        """Return the job once it has ended.

        Raises:
            WatchInterrupted: where the daemon stays away.
            NotEnded: after `timeout_s` seconds. The job goes on.
        """
        until = following.NEVER if timeout_s is None else time.monotonic() + timeout_s
        standing = self.get(job)
        if standing.state.is_terminal:
            return standing
        request = pb.WatchJobRequest(job=standing.id, after_sequence=standing.last_sequence)
        events = following.events(self._connection, request, until=until)
        try:
            with transport.closing(events):
                for _ in events:
                    pass
        except TimeoutError:
            raise NotEnded(
                f"job {standing.name} has not ended within {timeout_s:g} s; it goes on"
            ) from None
        return self.get(standing.id)

    def logs(
        self,
        job: str,
        *,
        follow: bool = False,
        last_lines: int = 0,
        on_gap: OnGap | None = None,
    ) -> Generator[str, None]:
        """Yield the log of a job's latest attempt in pieces.

        Args:
            job: Id, prefix of an id, or name.
            follow: Go on as the log grows, until the job has ended.
            last_lines: Begin at most this many lines before the end. 0: at the beginning.
            on_gap: As in `watch`.
        """
        request = pb.TailLogRequest(job=job, last_lines=last_lines, follow=follow)
        return following.log(self._connection, request, on_gap=on_gap)

    def _submit(
        self, source: JobSource, overrides: Mapping[str, Any] | None, *, validate_only: bool
    ) -> models.Job:
        file = job_file(source, overrides)
        if isinstance(self.address, Server):
            file = file.for_another_machine()
        if file.faults:
            raise InvalidJob(self._all_faults(file))
        deadline_s = channel.PLAN_DEADLINE_S if validate_only else channel.CALL_DEADLINE_S
        try:
            return self._send(file, validate_only=validate_only, deadline_s=deadline_s)
        except InvalidJob as error:
            raise InvalidJob(file.located(error.faults)) from None

    def _all_faults(self, file: JobFile) -> tuple[Fault, ...]:
        """Return the faults of a file and, if the daemon can say them, those of its recipe."""
        try:
            self._send(file, validate_only=True, deadline_s=channel.CALL_DEADLINE_S)
        except InvalidJob as error:
            # Of a path that means nothing there, the daemon can say no more.
            others = (fault for fault in error.faults if fault.field not in file.unreachable)
            return file.located((*file.faults, *others))
        except FtctlError:
            # Whatever keeps the daemon from an answer: the file has to be mended first.
            return file.faults
        return file.faults

    def _send(self, file: JobFile, *, validate_only: bool, deadline_s: float) -> models.Job:
        request = pb.SubmitJobRequest(
            spec=wire.spec(file.request), request_id=str(uuid.uuid4()), validate_only=validate_only
        )
        response = self._connection.ask(
            self._connection.jobs.SubmitJob, request, deadline_s=deadline_s
        )
        return wire.job(response.job)


class JobHandle:
    """A submitted job.

    `submitted` is the job as it stood then.
    """

    def __init__(self, client: Client, submitted: models.Job) -> None:
        self._client = client
        self.submitted = submitted

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name} ({self.id[:8]})>"

    def _repr_html_(self) -> str:
        return html.card(
            self.name,
            [("id", self.id), ("submitted", self.submitted.create_time)],
            hint="get() says where it stands, watch() follows it",
        )

    @property
    def id(self) -> str:
        """The job's id."""
        return self.submitted.id

    @property
    def name(self) -> str:
        """The job's name."""
        return self.submitted.name

    def watch(
        self, *, after_sequence: int = 0, on_gap: OnGap | None = None
    ) -> Generator[models.Event, None]:
        """Yield the job's events; see Client.watch."""
        return self._client.watch(self.id, after_sequence=after_sequence, on_gap=on_gap)

    def wait(self, *, timeout_s: float | None = None) -> models.Job:
        """Return the job once it has ended; see Client.wait."""
        return self._client.wait(self.id, timeout_s=timeout_s)

    def metrics(self) -> Metrics:
        """Return the epochs that the job has finished, as a table."""
        return self._client.metrics(self.id)

    def get(self) -> models.Job:
        """Return the job as it stands."""
        return self._client.get(self.id)

    def cancel(self, *, finish: bool = False) -> models.Job:
        """Cancel the job, or let it end after the epoch in progress; see Client.cancel."""
        return self._client.cancel(self.id, finish=finish)

    def pause(self) -> models.Job:
        """Take the job off its devices until it is resumed; see Client.pause."""
        return self._client.pause(self.id)

    def resume(self) -> models.Job:
        """Let the job go on; see Client.resume."""
        return self._client.resume(self.id)

    def predict(self, paths: Iterable[str | Path]) -> Generator[Prediction, None]:
        """Yield what the job's model says of images; see Client.predict."""
        return self._client.predict(self.id, paths)

    def evaluate(
        self,
        *,
        data: str | Path = "",
        split: str = "",
        allow_missing: bool = False,
        verdicts: bool = False,
        confusion: bool = False,
        on_progress: OnEvaluated | None = None,
    ) -> EvaluationReport:
        """Return how well the job's net does on labelled images; see Client.evaluate."""
        return self._client.evaluate(
            self.id, data=data, split=split, allow_missing=allow_missing, verdicts=verdicts,
            confusion=confusion, on_progress=on_progress,
        )  # fmt: skip

    def pull(self, kind: str = "model", to: str | Path = ".") -> Path:
        """Fetch a file that the job has made; see Client.pull."""
        return self._client.pull(self.id, kind, to)

    def logs(self, *, follow: bool = False, on_gap: OnGap | None = None) -> Generator[str, None]:
        """Yield the job's log; see Client.logs."""
        return self._client.logs(self.id, follow=follow, on_gap=on_gap)
