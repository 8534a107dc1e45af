"""Many short jobs through one daemon and one zygote: neither keeps anything of them."""

from pathlib import Path

import pytest

from ftctl import JobState
from tests.chaos import soak
from tests.chaos.figures import Figures


def check(soaked: soak.Soaked) -> None:
    """Let nothing have grown, and all ways to end have been taken."""
    assert soaked.leaks() == []
    assert soaked.zygotes == 1
    assert sum(soaked.ends.values()) == soaked.jobs
    assert set(soaked.ends) == {JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED}


async def test_jobs_leave_nothing_in_daemon_and_zygote(tmp_path: Path) -> None:
    check(await soak.soak(tmp_path, jobs=36, settled=16))


@pytest.mark.chaos
@pytest.mark.timeout(3600)
async def test_2000_jobs_leave_nothing_in_daemon_and_zygote(
    tmp_path: Path, figures: Figures
) -> None:
    soaked = await soak.soak(tmp_path)

    told = {
        f"{who}_{what}": f"{first:,} -> {last:,}" for who, what, first, last in soaked.figures()
    }
    figures.tell(f"{soaked.jobs} jobs", **told, seconds=soaked.seconds)
    check(soaked)
