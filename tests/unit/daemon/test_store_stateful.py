"""States and store together, driven at random: what is read is always what was done."""

import asyncio
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ftd.errors import NameTaken, RequestIdReused
from ftd.jobs.history import state_event
from ftd.jobs.model import Event, Job, JobState, NewEvent, Outcome, OutcomeReason
from ftd.jobs.states import TRANSITIONS, advance
from ftd.jobs.store import Store
from ftd.jobs.store.reads import Filter
from tests.fakes import jobs
from tests.fakes.jobs import at, request

NAMES = ["ants", "bees", "cats"]
EVENTS = st.lists(
    st.one_of(
        st.integers(1, 1000).map(jobs.progress),
        st.integers(0, 9).map(jobs.epoch),
        st.sampled_from(["last", "best"]).map(jobs.checkpoint),
        st.text(max_size=5).map(jobs.notice),
        st.text(max_size=5).map(jobs.planned),
    ),
    max_size=4,
)


class StoreAndStates(RuleBasedStateMachine):
    """Does the same to the store and to plain dicts."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.clock = 0
        self.jobs: dict[str, Job] = {}
        self.events: dict[str, list[Event]] = {}
        self.by_request_id: dict[str, Job] = {}
        self.store = self.open()

    def open(self) -> Store:
        return self.runner.run(Store.open(Path(self.folder.name) / "ftd.sqlite"))

    def teardown(self) -> None:
        self.runner.run(self.store.close())
        self.runner.close()
        self.folder.cleanup()

    def keep(self, job: Job, events: list[Event]) -> None:
        self.jobs[job.id] = job
        self.events.setdefault(job.id, []).extend(events)

    def draw(self, data: st.DataObject, jobs: list[Job]) -> Job:
        """Choose a job by its place: ids are random, and a failure must be found again."""
        return jobs[data.draw(st.integers(0, len(jobs) - 1))]

    @rule(name=st.sampled_from(NAMES), request_id=st.sampled_from(["", "r1", "r2"]))
    def submit(self, name: str, request_id: str) -> None:
        self.clock += 1
        asked = request(name)
        earlier = self.by_request_id.get(request_id)
        taken = any(job.name == name and not job.state.is_terminal for job in self.jobs.values())
        try:
            job, events = self.runner.run(
                self.store.submit(asked, request_id=request_id, now=at(self.clock), references={})
            )
        except RequestIdReused:
            assert earlier is not None
            assert earlier.name != name
        except NameTaken:
            assert taken
            assert earlier is None
        else:
            if earlier is not None:
                assert (job, events) == (self.jobs[earlier.id], [])
                return
            assert not taken
            self.keep(job, events)
            if request_id:
                self.by_request_id[request_id] = job

    @precondition(lambda self: self.jobs)
    @rule(data=st.data(), events=EVENTS)
    def happen(self, data: st.DataObject, events: list[NewEvent]) -> None:
        job = self.draw(data, list(self.jobs.values()))
        self.keep(*self.runner.run(self.store.append(job, events)))

    @precondition(lambda self: any(TRANSITIONS[job.state] for job in self.jobs.values()))
    @rule(data=st.data())
    def move(self, data: st.DataObject) -> None:
        self.clock += 1
        job = self.draw(data, [each for each in self.jobs.values() if TRANSITIONS[each.state]])
        to = data.draw(st.sampled_from(sorted(TRANSITIONS[job.state])))
        outcome = None
        if to.is_terminal:
            outcome = Outcome(reason=OutcomeReason.COMPLETED, message="done", log_tail=("x",))
        job = advance(job, to, now=at(self.clock), reason="because", outcome=outcome)
        event = state_event(job, now=at(self.clock))
        self.keep(*self.runner.run(self.store.append(job, [event])))

    @rule()
    def reopen(self) -> None:
        self.runner.run(self.store.close())
        self.store = self.open()

    @invariant()
    def every_job_reads_as_it_was_left(self) -> None:
        for job_id, job in self.jobs.items():
            assert self.runner.run(self.store.get(job_id)) == job

    @invariant()
    def events_count_from_one_without_a_gap(self) -> None:
        for job_id, events in self.events.items():
            assert self.runner.run(self.store.events(job_id, 0, 10_000)) == events
            assert [event.sequence for event in events] == list(range(1, len(events) + 1))
            assert self.jobs[job_id].last_sequence == len(events)

    @invariant()
    def an_outcome_is_there_exactly_in_a_terminal_state(self) -> None:
        for job in self.jobs.values():
            assert job.state.is_terminal == (job.outcome is not None) == (job.end_time is not None)

    @invariant()
    def unfinished_jobs_and_names_are_as_expected(self) -> None:
        in_order = sorted(self.jobs.values(), key=lambda job: job.number)
        unfinished = [job for job in in_order if not job.state.is_terminal]
        assert self.runner.run(self.store.unfinished()) == unfinished
        assert len({job.name for job in unfinished}) == len(unfinished)
        for name in {job.name for job in in_order}:
            latest = [job for job in in_order if job.name == name][-1]
            assert self.runner.run(self.store.get(name)).id == latest.id

    @invariant()
    def pages_show_every_job_once_and_the_latest_first(self) -> None:
        seen: list[int] = []
        token = "start"
        while token:
            found, token = self.runner.run(
                self.store.list(2, "" if token == "start" else token, Filter(states=list(JobState)))
            )
            seen += [job.number for job in found]
        assert seen == sorted((job.number for job in self.jobs.values()), reverse=True)


StoreAndStates.TestCase.settings = settings(max_examples=12, stateful_step_count=25, deadline=None)
TestStoreAndStates = StoreAndStates.TestCase
