"""A machine on one screen, at every size."""

from datetime import timedelta

import pytest
from rich.cells import cell_len

from finetuned.v1 import job_pb2
from ftctl import devicewire, wire
from ftctl.view import top
from tests.fakes import fleet, story
from tests.fakes.views import drawn


def seen(*, devices=None, jobs=None, waiting=40):
    machine = fleet.devices() if devices is None else devices
    told = [*fleet.running(), *fleet.queue(waiting)] if jobs is None else jobs
    return top.Snapshot.of(
        [devicewire.device(item) for item in machine],
        [wire.job(item) for item in told],
        time=fleet.NOW,
    )


def screen(snapshot, width, height, **more):
    page = top.Page(width=width, height=height)
    return drawn(top.frame(snapshot, page, **more), width).splitlines()


def test_a_screen_of_eighty_columns():
    lines = screen(seen(), 80, 24)

    assert [line.rstrip() for line in lines] == [
        " finetuned  4 devices, 2 in use, 2 out of use  4 running  40 waiting   03:27:15",
        "",
        " device        state      memory                    util   temp  jobs",
        " gpu-3f2a9c1d  busy       ━━━━──×···  61 / 139 GiB  97 %  71 °C  ants-bees-fro…",
        " gpu-5f2a9c1d  draining   ━─────────  20 / 139 GiB  64 %  58 °C  market1501-re…",
        " gpu-9f2a9c1d  free       ··········   0 / 139 GiB   0 %  31 °C",
        " gpu-cf2a9c1d  unhealthy  ··········   0 / 139 GiB     –      –",
        "",
        " running      device     epoch              loss  acc %  img/s    left   memory",
        " ants-bees-…  gpu-3f2a   12/25  ━━━╸────  0.0583   94.1  1,204    3:12  2.5 GiB",
        " flowers-fu…  gpu-3f2a    3/90  ────────  0.2333   76.5    846   41:25    5 GiB",
        " market1501…  gpu-5f2a  41/120  ━━╸─────  0.0171   95.4  2,310   56:27  7.5 GiB",
        " cifar10-st…  gpu-9f2a       –  starting       –      –      –       –        –",
        "",
        " queue        priority   waits  reason",
        " sweep-lr-00        20  23 min  needs 60 GiB of one device: the most that is f…",
        " sweep-lr-01        10  22 min  waits for ants-bees-frozen",
        " sweep-lr-02         0  22 min  starts not before 2026-11-22T07:00:00Z",
        " sweep-lr-03         0  22 min  waits behind 3 jobs of higher priority",
        " sweep-lr-04         0  21 min  plan pending",
        " sweep-lr-05         0  21 min  needs 60 GiB of one device: the most that is f…",
        " and 34 more",
        "",
        " q leaves                         ━ used by jobs  ─ reserved  × foreign  · free",
    ]


def test_a_wide_screen_has_whole_names():
    lines = screen(seen(), 160, 50)

    assert len(lines) == 50
    assert "market1501-reid-resnet50-triplet-seed-0  gpu-5f2a9c1d  41/120  ━━━" in "\n".join(lines)
    assert "NVIDIA H200  busy       ━━━" in "\n".join(lines)
    assert "ants-bees-frozen 11 GiB, flowers-full 69 GiB" in lines[3]


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120, 160, 240])
@pytest.mark.parametrize("height", [12, 24, 50])
def test_a_screen_is_exactly_as_large_as_its_terminal(width, height):
    lines = screen(seen(waiting=500), width, height)

    assert len(lines) == height
    assert max(cell_len(line) for line in lines) <= width


def test_what_does_not_fit_is_counted():
    many = [fleet.device(number) for number in range(64)]
    lines = screen(seen(devices=many, waiting=1234), 80, 24)

    counts = [line.strip() for line in lines if " more" in line]
    assert counts == ["and 59 more", "and 1,230 more"]


def test_an_idle_machine_says_that_it_is_idle():
    lines = screen(seen(devices=[], jobs=[]), 80, 24)

    assert lines[0].startswith(" finetuned  0 devices, 0 in use  0 running  0 waiting")
    assert [line for line in lines if "this machine has no devices" in line]
    assert [line for line in lines if "nothing runs" in line]
    assert [line for line in lines if "nothing waits" in line]


def test_the_queue_is_in_the_order_in_which_it_starts():
    jobs = [
        job_pb2.Job(
            id=f"{number:032x}", spec=job_pb2.JobSpec(name=name, priority=priority),
            state=job_pb2.JOB_STATE_QUEUED, create_time=fleet.START + timedelta(seconds=number),
        )
        for number, (name, priority) in enumerate([("b", 0), ("a", 5), ("c", 0), ("z", -1)])
    ]  # fmt: skip

    assert [job.name for job in seen(jobs=jobs[::-1]).queue] == ["a", "b", "c", "z"]


def test_states_beside_running_are_told_in_place_of_the_bar():
    stopping, paused, unknown = (
        job_pb2.Job(id=f"{number:032x}", spec=job_pb2.JobSpec(name=f"job{number}"), state=state)
        for number, state in enumerate((job_pb2.JOB_STATE_CANCELLING, job_pb2.JOB_STATE_PAUSED, 77))
    )
    text = "\n".join(screen(seen(jobs=[stopping, paused, unknown]), 120, 24))

    assert "job0     –           –  cancelling " in text
    assert "job2     –           –  unknown " in text
    assert "job1          0    0 s  paused" in text


def test_a_job_that_loads_its_data_has_no_figures_yet():
    loading = fleet.running()[0]
    del loading.epochs[:]
    loading.progress.CopyFrom(story.progress(1, 25, 0, job_pb2.PHASE_SETUP)["progress"])

    text = "\n".join(screen(seen(jobs=[loading]), 80, 24))

    assert "1/25  loading " in text
    assert "nan" not in text


def test_several_devices_of_a_job_are_counted():
    job = fleet.running()[0]
    job.attempts[0].devices[:] = ["gpu-3f2a9c1d", "gpu-5f2a9c1d", "gpu-9f2a9c1d"]

    assert "gpu-3f2a +2 " in "\n".join(screen(seen(jobs=[job]), 80, 24))
    assert "gpu-3f2a9c1d +2 " in "\n".join(screen(seen(jobs=[job]), 160, 24))


def test_wide_characters_and_control_codes_stay_within_their_line():
    job = fleet.queue(1)[0]
    job.reason = "等待" * 80 + "\x1b[2J\n\r"

    lines = screen(seen(jobs=[job]), 80, 24)

    assert len(lines) == 24
    assert max(cell_len(line) for line in lines) <= 80
    assert "\x1b" not in "".join(lines)


def test_a_daemon_that_is_away_is_told_in_the_last_line():
    lines = screen(seen(), 80, 24, absence="the daemon has been away for 4 s, trying again")

    assert lines[-1] == " the daemon has been away for 4 s, trying again"


def test_a_page_of_a_pipe_cuts_nothing():
    page = top.Page(width=80, height=60, is_cut=False)

    lines = [line.plain for line in top.frame(seen(), page)]

    assert len(lines) <= 60
    assert any(line.startswith(" market1501-reid-resnet50-triplet-seed-0  ") for line in lines)
    assert not any("…" in line for line in lines)
    assert "leaves" not in lines[-1]


# --- time left ------------------------------------------------------------------------------


def job(**fields):
    known = {"attempt": 1, "start_time": fleet.NOW - timedelta(seconds=100)}
    progress = story.progress(2, 10, 122, job_pb2.PHASE_TRAINING)["progress"]
    return wire.job(job_pb2.Job(**{**known, "progress": progress, **fields}))


def test_the_time_left_is_that_of_the_steps_at_the_pace_of_the_last_epoch():
    epoch = story.epoch(2)
    epoch.seconds = 30

    assert top.seconds_left(job(epochs=[epoch]), fleet.NOW) == 8 * 30


def test_before_an_epoch_has_ended_it_is_the_pace_of_all_steps_so_far():
    assert top.seconds_left(job(), fleet.NOW) == pytest.approx(100 * 488 / 122)


def test_before_a_step_or_after_another_attempt_nobody_knows():
    nothing = story.progress(1, 10, 0, job_pb2.PHASE_SETUP)["progress"]

    assert top.seconds_left(job(progress=nothing), fleet.NOW) is None
    assert top.seconds_left(job(progress=None), fleet.NOW) is None
    assert top.seconds_left(job(attempt=2), fleet.NOW) is None


# --- lines ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wants", "room", "shares"),
    [
        ([4, 4, 40], 20, [4, 4, 12]),
        ([64, 64, 64], 15, [5, 5, 5]),
        ([1, 1, 1], 40, [1, 1, 1]),
        ([64, 1, 10], 15, [7, 1, 7]),
        ([9, 9, 9], 0, [1, 1, 1]),
    ],
)
def test_lines_are_shared_out(wants, room, shares):
    assert top.allot(wants, room) == shares
