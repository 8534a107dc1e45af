"""Each typed failure, provoked for real: its outcome, its remedy, the end of its log; what another
start can mend is started again and reaches its end."""

import asyncio
import re
import socket
from collections.abc import Mapping
from pathlib import Path

import pytest
import pytest_asyncio

from ftctl import Attempt, Job, Outcome
from ftctl.models import JobState, OutcomeReason
from tests.chaos import failures
from tests.e2e.scraping import Scrape, scrape

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]
STACKS = "The log has the stacks of all its threads"


class Seen:
    """How all scenarios ended."""

    def __init__(self, jobs: Mapping[str, Job | BaseException], metrics: Scrape) -> None:
        self._jobs = jobs
        self.metrics = metrics

    def job(self, scenario: str) -> Job:
        """Return the job of a scenario, or raise what that raised."""
        job = self._jobs[scenario]
        if isinstance(job, BaseException):
            raise job
        return job

    def first(self, scenario: str) -> Outcome:
        """Return how the first attempt of a scenario ended."""
        return ended(self.job(scenario).attempts[0])


def ended(attempt: Attempt) -> Outcome:
    assert attempt.outcome is not None
    return attempt.outcome


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """Provoke them all, at once: most of the time is spent waiting."""
    folder: Path = tmp_path_factory.mktemp("failures")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    async with failures.stage(folder, metrics=f"127.0.0.1:{port}") as stage:
        jobs = await asyncio.gather(
            *(scenario(stage) for scenario in failures.SCENARIOS), return_exceptions=True
        )
        metrics = await scrape(port)
    names = [scenario.__name__ for scenario in failures.SCENARIOS]
    return Seen(dict(zip(names, jobs, strict=True)), metrics)


def assert_mended(job: Job, reason: OutcomeReason) -> None:
    """Check that a job failed for a reason, went on, and came to its end."""
    assert job.state is JobState.SUCCEEDED, job.outcome
    ends = [ended(attempt).reason for attempt in job.attempts]
    assert ends == [*[reason] * job.failures, OutcomeReason.COMPLETED]
    assert job.failures >= 1


async def test_a_kill_is_no_lack_of_memory(seen: Seen) -> None:
    first = seen.first("killed")

    assert (first.message, first.signal) == ("The worker was ended by signal 9 (SIGKILL).", 9)
    assert first.remedy == (
        "Somebody ended it: the kernel has counted no process that it ended for want of memory."
    )
    assert first.log_tail[-1].startswith("epoch ")
    assert_mended(seen.job("killed"), OutcomeReason.KILLED_BY_SIGNAL)
    assert seen.job("killed").inexact == ""


async def test_a_crash_in_native_code_leaves_its_stack(seen: Seen) -> None:
    first = seen.first("crashed")

    assert first.message == "The worker crashed in native code: signal 11 (SIGSEGV)."
    assert first.remedy == f"{STACKS}: `ftctl logs` shows it whole."
    assert first.log_tail[0] == "Fatal Python error: Segmentation fault"
    assert first.log_tail[1].startswith("Current thread 0x")
    assert first.log_tail[2].startswith('  File "')
    assert_mended(seen.job("crashed"), OutcomeReason.CRASHED)


@pytest.mark.parametrize("scenario", ["stopped", "blocked"])
async def test_a_trainer_that_hangs_is_ended_with_its_stack_in_the_log(
    seen: Seen, scenario: str
) -> None:
    """R12: a deadlock leaves the stacks of all threads."""
    first = seen.first(scenario)

    assert re.fullmatch(
        r"It stalled and was ended\. No (step|sign of life) for \d+ s while it "
        r"(trained|evaluated|kept a checkpoint) \(epoch \d+\); a usual step takes \S+ s, and at "
        r"most \d+ s are waited for\.",
        first.message,
    )
    assert first.remedy == (
        f"{STACKS}: they tell what it waited for, such as a network disk or a device that hangs."
    )
    assert first.log_tail[0].startswith("Current thread 0x")
    assert_mended(seen.job(scenario), OutcomeReason.STALLED)


async def test_the_stack_tells_which_call_hung(seen: Seen) -> None:
    tail = "\n".join(seen.first("blocked").log_tail)

    assert "fttrain/data/decode.py" in tail


async def test_a_loader_that_is_killed_is_no_fault_of_the_recipe(seen: Seen) -> None:
    """R10: the death of a loader is retried."""
    first = seen.first("without_a_loader")

    assert first.message == (
        "a loader process ended before its work did (killed by SIGKILL); if memory ran out, state "
        "fewer as data.workers"
    )
    assert_mended(seen.job("without_a_loader"), OutcomeReason.KILLED_BY_SIGNAL)


async def test_a_worker_that_the_kernel_ends_for_want_of_memory_is_told_so(seen: Seen) -> None:
    first = seen.first("out_of_memory")

    assert first.message == (
        "The machine's memory ran out, or that of its control group: the kernel ended the worker."
    )
    assert first.signal == 9
    assert first.remedy == (
        "Lower train.batch_size or data.workers, or give the machine more memory."
    )
    assert_mended(seen.job("out_of_memory"), OutcomeReason.HOST_OUT_OF_MEMORY)
    assert seen.job("out_of_memory").inexact.startswith(
        "batches of 32 in passes of 16 after memory ran out: BatchNorm sees smaller batches"
    )


async def test_refused_memory_halves_the_batches_until_they_fit(seen: Seen) -> None:
    """R19: memory that runs out is told with its facts, and smaller batches are tried."""
    job, first = seen.job("with_less_memory"), seen.first("with_less_memory")

    assert re.fullmatch(
        r"Memory ran out: DefaultCPUAllocator: can't allocate memory: you tried to allocate \d+ "
        r"bytes\. Error code 12 \(Cannot allocate memory\)\. Batches had 64 images\.",
        first.message,
    )
    assert first.remedy == "Say train.batch_size: 32 and train.accumulate: 2; submit again."
    assert first.log_tail[-1] == f"failed: {first.message}"
    assert_mended(job, OutcomeReason.HOST_OUT_OF_MEMORY)
    assert job.inexact == (
        f"batches of 64 in passes of {64 >> job.failures} after memory ran out: sums are rounded "
        "otherwise"
    )


@pytest.mark.parametrize(
    ("scenario", "reason", "message", "remedy"),
    [
        (
            "diverged",
            OutcomeReason.NON_FINITE_LOSS,
            r"the loss is nan at step \d+ of 160 \(epoch 3, learning rate 1e\+30\); "
            r"checkpoints/last\.safetensors holds epoch 2",
            "Lower the learning rate, or set train.clip_norm.",
        ),
        (
            "with_bad_data",
            OutcomeReason.BAD_DATA,
            r"1 of 32 images cannot be read \(3\.12 %\): train/squares/002\.jpg is damaged: .*",
            "Replace or remove them, or raise data.max_bad; submit again.",
        ),
        (
            "overdue",
            OutcomeReason.TIMED_OUT,
            r"It ran for longer than its timeout, 0:00:06\.",
            "Its last checkpoint is kept. Give it more time (`timeout`) or fewer epochs.",
        ),
    ],
)
async def test_what_would_end_the_same_way_again_is_the_end(
    seen: Seen, scenario: str, reason: OutcomeReason, message: str, remedy: str
) -> None:
    """R27: a loss that is no number ends the run, with the last good checkpoint kept."""
    job = seen.job(scenario)

    assert (job.state, job.failures, len(job.attempts)) == (JobState.FAILED, 0, 1)
    assert job.outcome is not None
    assert job.outcome.reason is reason
    assert re.fullmatch(message, job.outcome.message)
    assert job.outcome.remedy == remedy
    assert job.outcome.log_tail
    assert ended(job.attempts[0]) == job.outcome


async def test_metrics_count_what_was_started_again_and_what_was_not(seen: Seen) -> None:
    def count(name: str, reason: str) -> float:
        return seen.metrics.value(name, reason=reason)

    assert count("ftd_jobs_retried_total", "crashed") == 1
    assert count("ftd_jobs_retried_total", "stalled") >= 2
    assert count("ftd_jobs_retried_total", "killed_by_signal") == 2
    assert count("ftd_jobs_failed_total", "non_finite_loss") == 1
    assert count("ftd_jobs_failed_total", "crashed") == 0
