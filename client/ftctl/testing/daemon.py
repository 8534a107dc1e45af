"""A daemon in this process: real gRPC on a unix socket, jobs that train nothing."""

import shutil
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import grpc

from finetuned.v1 import device_pb2, job_pb2
from finetuned.v1.blueprint_service_pb2_grpc import add_BlueprintServiceServicer_to_server
from finetuned.v1.daemon_service_pb2_grpc import add_DaemonServiceServicer_to_server
from finetuned.v1.dataset_service_pb2_grpc import add_DatasetServiceServicer_to_server
from finetuned.v1.device_service_pb2_grpc import add_DeviceServiceServicer_to_server
from finetuned.v1.evaluation_service_pb2_grpc import add_EvaluationServiceServicer_to_server
from finetuned.v1.job_service_pb2_grpc import add_JobServiceServicer_to_server
from finetuned.v1.model_service_pb2_grpc import add_ModelServiceServicer_to_server
from finetuned.v1.plot_service_pb2_grpc import add_PlotServiceServicer_to_server
from finetuned.v1.recipe_service_pb2_grpc import add_RecipeServiceServicer_to_server
from finetuned.v1.similarity_service_pb2_grpc import add_SimilarityServiceServicer_to_server
from ftctl.models import OutcomeReason
from ftctl.testing.blueprint_service import Blueprints
from ftctl.testing.daemon_service import Daemon
from ftctl.testing.datasets import Datasets
from ftctl.testing.evaluation_service import Evaluations
from ftctl.testing.ledger import USER, Entry, Ledger
from ftctl.testing.model_service import Models
from ftctl.testing.plot_service import Plots
from ftctl.testing.recipes import Recipes
from ftctl.testing.refusal import CODES, Refusal
from ftctl.testing.services import Answers, Devices, Jobs
from ftctl.testing.similarity_service import Similarities
from ftctl.testing.story import ended

# Each stream that is followed holds a thread.
THREADS = 64


class HasId(Protocol):
    """A job or a handle of one."""

    @property
    def id(self) -> str:
        """Its id."""


class FakeDaemon:
    """A daemon for tests of your code; both clients talk to it as to a real one.

        with FakeDaemon() as daemon, Client(daemon.socket) as client:
            job = client.submit(JOB)
            assert job.wait().check().best is not None

    It checks jobs as far as that can be done without the engine: names, limits, the parts that a
    recipe must have. Jobs go through the same states and events as real ones and train nothing;
    their figures and paths are made up.

    Args:
        socket: Where to listen. Default: in a folder of its own, gone afterwards.
        devices: How many simulated devices it has.
        memory_bytes: What each of them has.
        pace_s: Seconds between two events of a job. 0: a job has run through before `submit`
            returns. None: jobs wait to be told, by `step`, `run_epoch`, `finish` and `fail`.
    """

    def __init__(
        self,
        socket: str | Path | None = None,
        *,
        devices: int = 1,
        memory_bytes: int = 4 * 2**30,
        pace_s: float | None = 0.0,
    ) -> None:
        self._own = None if socket else Path(tempfile.mkdtemp(prefix="ftctl-"))
        self.socket = Path(socket) if socket else Path(str(self._own), "ftd.sock")
        self.calls: list[str] = []
        """The methods that were called, in order, as `SubmitJob`."""
        self._ledger = Ledger([_device(number, memory_bytes) for number in range(devices)])
        self._pace_s = pace_s
        self._refusals: list[tuple[str, Refusal]] = []
        self._jobs = Jobs(self._ledger, moved=self._play)
        self._datasets = Datasets(self._ledger)
        self._devices = Devices(self._ledger, resumed=self._play)
        self._models = Models(self._ledger)
        self._plots = Plots(self._ledger)
        self._blueprints = Blueprints(self._ledger)
        self._evaluations = Evaluations(self._ledger)
        self._similarities = Similarities(self._ledger)
        self._daemon = Daemon(self._ledger, user=USER, folder=self.socket.parent)
        self._server: grpc.Server | None = None
        self._pacer: threading.Thread | None = None
        self._ending = threading.Event()

    def __enter__(self) -> Self:
        """Listen."""
        self.start()
        if self._pace_s:
            self._pacer = threading.Thread(target=self._keep_pace, name="fake-daemon", daemon=True)
            self._pacer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Go away without a trace."""
        self._ending.set()
        if self._pacer is not None:
            self._pacer.join()
        self.stop()
        if self._own is not None:
            shutil.rmtree(self._own, ignore_errors=True)

    def __repr__(self) -> str:
        return f"<FakeDaemon at {self.socket}, {len(self._ledger.entries)} jobs>"

    def start(self) -> None:
        """Listen, again after `stop`: jobs are as they were."""
        self._server = grpc.server(
            ThreadPoolExecutor(THREADS, thread_name_prefix="fake-daemon"),
            interceptors=[Answers(self._admit)],
        )
        add_JobServiceServicer_to_server(self._jobs, self._server)
        add_DatasetServiceServicer_to_server(self._datasets, self._server)
        add_DeviceServiceServicer_to_server(self._devices, self._server)
        add_ModelServiceServicer_to_server(self._models, self._server)
        add_PlotServiceServicer_to_server(self._plots, self._server)
        add_BlueprintServiceServicer_to_server(self._blueprints, self._server)
        add_RecipeServiceServicer_to_server(Recipes(), self._server)
        add_EvaluationServiceServicer_to_server(self._evaluations, self._server)
        add_SimilarityServiceServicer_to_server(self._similarities, self._server)
        add_DaemonServiceServicer_to_server(self._daemon, self._server)
        self._server.add_insecure_port(f"unix:{self.socket}")
        self._server.start()

    def stop(self) -> None:
        """Go away, as a daemon that is stopped or restarted."""
        if self._server is not None:
            self._server.stop(grace=None).wait()
            self._server = None

    # --- what happens to jobs ---------------------------------------------------------------

    def step(self, job: HasId | str) -> None:
        """Let one more thing happen to a job."""
        with self._told(job) as entry:
            self._ledger.advance(entry)

    def run_epoch(self, job: HasId | str) -> None:
        """Let a job train to the end of its next epoch."""
        with self._told(job) as entry:
            epochs = len(entry.job.epochs)
            while len(entry.job.epochs) == epochs and self._ledger.advance(entry):
                pass

    def finish(self, job: HasId | str) -> None:
        """Let a job train to its good end; one that waits for others goes on waiting."""
        with self._told(job) as entry:
            while self._ledger.advance(entry):
                pass

    def fail(
        self,
        job: HasId | str,
        message: str = "The worker ended with an error.",
        *,
        reason: OutcomeReason = OutcomeReason.WORKER_ERROR,
        remedy: str = "",
    ) -> None:
        """Let a job fail."""
        number = job_pb2.OutcomeReason.Value(f"OUTCOME_REASON_{reason.name}")
        with self._told(job) as entry:
            self._ledger.tell(
                entry, ended(job_pb2.JOB_STATE_FAILED, number, message, remedy=remedy)
            )

    def write_log(self, job: HasId | str, text: str) -> None:
        """Let a job's worker print something."""
        with self._told(job) as entry:
            entry.log += text.encode()
            self._ledger.news.notify_all()

    # --- trouble ----------------------------------------------------------------------------

    def refuse_next(self, method: str, reason: str, message: str = "refused by the test") -> None:
        """Refuse the next call of a method, such as `SubmitJob`.

        Args:
            method: Its name in the API.
            reason: A reason of the API, such as `QUEUE_FULL`.
            message: What the daemon says.
        """
        if reason not in CODES:
            raise ValueError(f"{reason} is no reason of the API; there are {', '.join(CODES)}")
        self._refusals.append((method, Refusal(reason, message)))

    def cut_streams(self) -> None:
        """Cut whatever is being watched, as a restart does; clients take it up again."""
        with self._ledger.news:
            self._jobs.cuts += 1
            self._ledger.news.notify_all()

    def wait_for_calls(self, method: str, count: int = 1, *, timeout_s: float = 30.0) -> None:
        """Wait until a method has been called so often. Raises TimeoutError."""
        with self._ledger.news:
            if not self._ledger.news.wait_for(
                lambda: self.calls.count(method) >= count, timeout=timeout_s
            ):
                raise TimeoutError(f"{method} was not called {count} times in {timeout_s:g} s")

    # --- within -----------------------------------------------------------------------------

    @contextmanager
    def _told(self, job: HasId | str) -> Iterator[Entry]:
        with self._ledger.news:
            yield self._ledger.find(job if isinstance(job, str) else job.id)
            self._play()

    def _admit(self, method: str) -> None:
        """Note a call; raise Refusal where it is to be refused."""
        with self._ledger.news:
            self.calls.append(method)
            self._ledger.news.notify_all()
            for position, (name, refusal) in enumerate(self._refusals):
                if name == method:
                    del self._refusals[position]
                    raise refusal

    def _play(self) -> None:
        """Run every job through, where they run by themselves and at once."""
        while self._pace_s == 0 and self._beat():
            pass

    def _beat(self) -> bool:
        """Let one thing happen to each job that can go on; return whether one could."""
        moved = 0
        for entry in self._in_order():
            moved += self._ledger.advance(entry)
        return moved > 0

    def _in_order(self) -> list[Entry]:
        return sorted(self._ledger.entries, key=lambda entry: -entry.job.spec.priority)

    def _keep_pace(self) -> None:
        while not self._ending.wait(self._pace_s):
            with self._ledger.news:
                self._beat()


def _device(number: int, memory_bytes: int) -> device_pb2.Device:
    return device_pb2.Device(
        id=f"sim{number}", uuid=f"SIM-{number:032x}", kind=device_pb2.DEVICE_KIND_SIMULATED,
        name="simulated", state=device_pb2.DEVICE_STATE_FREE, cpus=1,
        memory_total_bytes=memory_bytes,
    )  # fmt: skip
