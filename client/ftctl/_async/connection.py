"""The way to a daemon: made when it is needed, and again after a close."""

import threading
from functools import partial
from typing import TypeVar

from ftctl import channel, door, status
from ftctl._async.stream import CUT, STANDS_AFTER_S
from ftctl.address import Address, Server
from ftctl.errors import FtctlError, WatchInterrupted
from ftctl.transport import aio as transport

Q = TypeVar("Q")
R = TypeVar("R")


class AsyncConnection:
    """A line to a daemon. Threads may share it."""

    def __init__(self, address: Address, *, patience_s: float) -> None:
        self.address = address
        self.patience_s = patience_s
        self._is_met = False
        self._opened: transport.Line | None = None
        self._opening = threading.Lock()

    async def reach(self) -> None:
        """Make the line where there is none; the event loop does not wait for the network.

        Raises:
            DaemonUnreachable
        """
        if not self._is_met:
            await transport.aside(partial(door.knock, self.address))
            self._is_met = True
        self.line()

    def line(self) -> transport.Line:
        """Return the line; make it where there is none. Raises DaemonUnreachable."""
        with self._opening:
            if self._opened is None:
                if not self._is_met:
                    door.knock(self.address)
                self._opened, self._is_met = transport.connect(self.address), True
            return self._opened

    @property
    def stands_after_s(self) -> float:
        """How long a stream has to last to have reached the daemon."""
        far = isinstance(self.address, Server)
        return STANDS_AFTER_S + (door.CONNECT_MS / 1000 if far else 0)

    @property
    def blueprints(self) -> "transport.BlueprintService":
        """The service of blueprints at its other end."""
        return self.line().blueprints

    @property
    def daemon(self) -> "transport.DaemonService":
        """The service of the daemon itself at its other end."""
        return self.line().daemon

    @property
    def datasets(self) -> "transport.DatasetService":
        """The service of data sets at its other end."""
        return self.line().datasets

    @property
    def devices(self) -> "transport.DeviceService":
        """The service of devices at its other end."""
        return self.line().devices

    @property
    def evaluations(self) -> "transport.EvaluationService":
        """The service of evaluations at its other end."""
        return self.line().evaluations

    @property
    def jobs(self) -> "transport.JobService":
        """The service of jobs at its other end."""
        return self.line().jobs

    @property
    def models(self) -> "transport.ModelService":
        """The service of models at its other end."""
        return self.line().models

    @property
    def plots(self) -> "transport.PlotService":
        """The service of pictures at its other end."""
        return self.line().plots

    @property
    def recipes(self) -> "transport.RecipeService":
        """The service of recipes at its other end."""
        return self.line().recipes

    @property
    def similarities(self) -> "transport.SimilarityService":
        """The service of similarities at its other end."""
        return self.line().similarities

    async def close(self) -> None:
        """End the line, and whatever is still asked over it."""
        with self._opening:
            line, self._opened, self._is_met = self._opened, None, False
        if line is not None:
            await line.close()

    async def ask(
        self,
        method: "transport.Method[Q, R]",
        request: Q,
        *,
        deadline_s: float = channel.CALL_DEADLINE_S,
    ) -> R:
        """Return the answer to a request. Raises what of FtctlError its status means."""
        try:
            return await method(request, timeout=deadline_s)
        except transport.RpcError as error:
            raise status.from_rpc(error, address=str(self.address)) from None

    def interrupted(self, error: transport.RpcError, job: str) -> FtctlError:
        """Return what the end of a stream means to who follows a job."""
        if error.code() not in CUT:
            return status.from_rpc(error, address=str(self.address))
        return WatchInterrupted(
            f"the daemon at {self.address} has been away for {self.patience_s:g} s; job {job} "
            f"goes on without it. `ftd serve` starts a daemon, `ftctl watch {job}` comes back"
        )
