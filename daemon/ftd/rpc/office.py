"""What the servicers need behind them. The supervisor is it; tests have a small one."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

from ftd.devices.model import Device
from ftd.jobs.blueprints import Blueprints
from ftd.jobs.broadcast import Broadcast
from ftd.jobs.callers import Caller
from ftd.jobs.depot import Depot
from ftd.jobs.evaluating import Evaluating
from ftd.jobs.fleet import Standing
from ftd.jobs.model import Job, JobRequest
from ftd.jobs.plotting import Plotting
from ftd.jobs.predicting import Predicting
from ftd.jobs.roots import Roots
from ftd.jobs.similarity import Similarity
from ftd.jobs.store import Store


class Office(Protocol):
    """Does what users ask for."""

    @property
    def store(self) -> Store:
        """What is known of jobs."""

    @property
    def broadcast(self) -> Broadcast:
        """Where events are watched."""

    @property
    def devices(self) -> Sequence[Device]:
        """The devices of this machine."""

    @property
    def roots(self) -> Roots:
        """Where the data of jobs may lie."""

    @property
    def state_dir(self) -> Path:
        """Where all is kept."""

    @property
    def start_time(self) -> datetime:
        """When the daemon started."""

    @property
    def datasets(self) -> Depot:
        """The data sets that users push."""

    @property
    def predicting(self) -> Predicting:
        """Asks the models of jobs."""

    @property
    def plotting(self) -> Plotting:
        """Draws what jobs have measured."""

    @property
    def evaluating(self) -> Evaluating:
        """Evaluates the nets of jobs again."""

    @property
    def similarity(self) -> Similarity:
        """Says how alike the nets of two jobs are."""

    @property
    def blueprints(self) -> Blueprints:
        """Draws what nets are made of."""

    @property
    def pausing(self) -> "Pauses":
        """Pauses and resumes jobs."""

    def now(self) -> datetime:
        """Return the time of day."""

    def running(self) -> Sequence[Job]:
        """Return the jobs that hold a device."""

    async def submit(self, request: JobRequest, *, request_id: str, caller: Caller) -> Job:
        """Accept a job: durable when this returns."""

    async def validate(self, request: JobRequest, *, caller: Caller) -> Job:
        """Plan a job without storing it."""

    async def plan(self, recipe_json: str, *, caller: Caller) -> str:
        """Plan a recipe; return the plan as JSON text."""

    async def look_at_devices(self) -> Sequence[Standing]:
        """Return each device as it stands right now."""

    async def drain(self, ref: str, *, reason: str) -> Standing:
        """Have a device take no more jobs."""

    async def resume(self, ref: str) -> Standing:
        """Have a drained device take jobs again."""

    async def finish(self, ref: str, *, caller: Caller) -> Job:
        """Have a job end after the epoch in progress; an ended job stays as it is."""

    async def delete(self, ref: str, *, caller: Caller) -> None:
        """Delete an ended job with all that it has made."""

    async def cancel(self, ref: str, *, caller: Caller) -> Job:
        """End a job. Returns at once; an ended job stays as it is."""


class Pauses(Protocol):
    """Takes jobs off their devices and lets them go on."""

    async def pause(self, ref: str, *, caller: Caller) -> Job:
        """Take a job off its devices, or hold it back from them."""

    async def resume(self, ref: str, *, caller: Caller) -> Job:
        """Put a paused job back into the queue."""
