"""What is told is true: of jobs, of devices, of the disk."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client.samples import Sample

from ftd.devices.model import DeviceKind, JobMemory, Reading
from ftd.jobs.fleet import DeviceState, Guest, Standing
from ftd.jobs.model import JobState
from tests.fakes import metrics
from tests.fakes.jobs import NOW, at
from tests.fakes.metrics import GIB, FakeSources, Ledger, epoch, new_job, new_tally, progress

JOB = f"{1:032x}"


def told(tmp_path: Path, name: str, *, second: float = 10) -> dict[tuple[str, ...], float]:
    """Return what a busy daemon tells under a name."""
    now = metrics.taken(*metrics.busy(tmp_path), tmp_path, second=second)
    return metrics.values(metrics.lines(now), name)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ftd_job_start_timestamp_seconds", at(2).timestamp()),
        ("ftd_job_last_progress_timestamp_seconds", at(3).timestamp()),
        ("ftd_job_device_seconds_total", 7.5),
        ("ftd_job_memory_used_bytes", GIB),
        ("ftd_job_memory_peak_bytes", 2 * GIB),
        ("ftd_job_memory_declared_bytes", 2 * 4 * GIB),
        ("ftd_job_epoch", 1),
        ("ftd_job_epochs", 2),
        ("ftd_job_progress_ratio", 0.1),
        ("ftd_job_images_total", 80),
        ("ftd_job_images_per_second", 321.5),
        ("ftd_job_data_wait_ratio", 0.25),
        ("ftd_job_data_wait_seconds_total", 0.5),
    ],
)
def test_a_running_job_is_told_of(tmp_path: Path, name: str, value: float) -> None:
    assert told(tmp_path, name) == {(JOB,): value}


def test_loss_and_accuracy_are_those_of_the_last_epoch(tmp_path: Path) -> None:
    assert told(tmp_path, "ftd_job_loss") == {(JOB, "train"): 0.25, (JOB, "val"): 0.25}
    assert told(tmp_path, "ftd_job_accuracy") == {(JOB, "train"): 0.8, (JOB, "val"): 0.9}


def test_a_job_is_joined_with_its_name_its_model_and_its_devices(tmp_path: Path) -> None:
    now = metrics.taken(*metrics.busy(tmp_path), tmp_path)
    lines = list(metrics.lines(now))

    (info,) = [line for line in lines if line.name == "ftd_job_info"]
    devices = metrics.values(lines, "ftd_job_device_info")

    assert (info.labels["name"], info.labels["device"]) == ("job-1", "sim0,sim1")
    assert info.labels["model"] == "cnn"
    assert devices == {("sim0", JOB): 1, ("sim1", JOB): 1}


def test_a_classifier_of_torchvision_is_told_by_its_name(tmp_path: Path) -> None:
    tally, sources = new_tally(), FakeSources()
    ledger = Ledger(tally)
    asked = new_job(recipe_json='{"model":{"name":"mobilenet_v2","weights":"none"}}')
    sources.hold(ledger.move(ledger.submit(asked), JobState.STARTING, second=1))

    lines = metrics.lines(metrics.taken(tally, sources, tmp_path))

    assert [line.labels["model"] for line in lines if line.name == "ftd_job_info"] == [
        "mobilenet_v2"
    ]


def test_a_job_that_has_not_stepped_has_no_figures_of_steps(tmp_path: Path) -> None:
    tally, sources = new_tally(), FakeSources()
    ledger = Ledger(tally)
    job = ledger.move(ledger.submit(new_job()), JobState.STARTING, second=1)
    sources.hold(job)

    lines = list(metrics.lines(metrics.taken(tally, sources, tmp_path)))
    names = {line.name for line in lines if "job_id" in line.labels}

    assert names == {
        "ftd_job_info", "ftd_job_device_info", "ftd_job_start_timestamp_seconds",
        "ftd_job_last_progress_timestamp_seconds", "ftd_job_device_seconds_total",
    }  # fmt: skip


def test_an_evaluation_before_training_has_no_figures_of_training(tmp_path: Path) -> None:
    tally, sources = new_tally(), FakeSources()
    ledger = Ledger(tally)
    job = ledger.move(ledger.submit(new_job()), JobState.STARTING, second=1)
    sources.hold(ledger.move(job, JobState.RUNNING, second=2, epochs=(epoch(0),)))

    losses = metrics.values(metrics.lines(metrics.taken(tally, sources, tmp_path)), "ftd_job_loss")

    assert losses == {(JOB, "val"): 0.25}


def test_a_jobs_series_stay_with_their_last_values_and_go_after_the_grace(tmp_path: Path) -> None:
    tally, sources = new_tally(grace_s=60), FakeSources()
    tally.figures = sources.figures
    ledger = Ledger(tally)
    job = ledger.move(
        ledger.submit(new_job()), JobState.STARTING, JobState.RUNNING, second=1,
        progress=progress(99),
    )  # fmt: skip
    sources.hold(job, memory=JobMemory(used_bytes=GIB, peak_bytes=GIB), device_seconds=30.0)
    ledger.move(replace(job, progress=progress(100)), JobState.SUCCEEDED, second=31)
    sources.jobs.clear()

    stays = list(metrics.lines(metrics.taken(tally, sources, tmp_path, second=90)))
    goes = list(metrics.lines(metrics.taken(tally, sources, tmp_path, second=92)))

    assert metrics.values(stays, "ftd_job_images_total") == {(JOB,): 800}
    assert metrics.values(stays, "ftd_job_progress_ratio") == {(JOB,): 1}
    assert metrics.values(stays, "ftd_job_device_seconds_total") == {(JOB,): 30}
    assert metrics.values(stays, "ftd_job_memory_used_bytes") == {(JOB,): GIB}
    assert [line for line in goes if "job_id" in line.labels] == []


def test_the_memory_of_an_ended_job_is_what_was_measured_last(tmp_path: Path) -> None:
    tally, sources = new_tally(), FakeSources()
    tally.figures = sources.figures
    ledger = Ledger(tally)
    job = ledger.move(ledger.submit(new_job()), JobState.STARTING, JobState.RUNNING, second=1)
    sources.hold(job, memory=JobMemory(used_bytes=GIB, peak_bytes=2 * GIB))
    job = ledger.tell(job, second=2, progress=progress(100))
    sources.hold(job)  # its processes are gone
    ledger.move(job, JobState.SUCCEEDED, second=3)
    sources.jobs.clear()

    lines = list(metrics.lines(metrics.taken(tally, sources, tmp_path)))

    assert metrics.values(lines, "ftd_job_memory_used_bytes") == {(JOB,): GIB}
    assert metrics.values(lines, "ftd_job_memory_peak_bytes") == {(JOB,): 2 * GIB}


def test_reading_has_no_effect(tmp_path: Path) -> None:
    tally, sources = metrics.busy(tmp_path)

    def once() -> list[str]:
        text = metrics.text(metrics.taken(tally, sources, tmp_path))
        changing = ("process_", "ftd_state_free_bytes")
        return [line for line in text.splitlines() if not line.startswith(changing)]

    assert once() == once()


# --- the disk ---------------------------------------------------------------------------------


def test_what_lies_on_the_disk_is_measured(tmp_path: Path) -> None:
    tally, sources = metrics.busy(tmp_path)
    (tmp_path / "ftd.sqlite-wal").write_bytes(b"x" * 1000)

    lines = list(metrics.lines(metrics.taken(tally, sources, tmp_path)))

    assert metrics.values(lines, "ftd_store_size_bytes") == {(): 4096 + 1000}
    assert metrics.values(lines, "ftd_journal_lag_bytes") == {(): 100 - 40}
    (free,) = metrics.values(lines, "ftd_state_free_bytes").values()
    assert free == pytest.approx(shutil.disk_usage(tmp_path).free, rel=0.05)


def test_a_state_directory_that_is_gone_has_no_free_space_to_tell(tmp_path: Path) -> None:
    tally, sources = metrics.busy(tmp_path)

    lines = list(metrics.lines(metrics.taken(tally, sources, tmp_path / "gone")))

    assert metrics.values(lines, "ftd_state_free_bytes") == {}
    assert metrics.values(lines, "ftd_store_size_bytes") == {(): 0}


# --- devices ----------------------------------------------------------------------------------


def told_of(tmp_path: Path, *devices: Standing) -> list[Sample]:
    sources = FakeSources(devices=list(devices))
    return list(metrics.lines(metrics.taken(new_tally(), sources, tmp_path)))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ftd_device_jobs", 1),
        ("ftd_device_left_processes", 0),
        ("ftd_device_memory_total_bytes", 16 * GIB),
        ("ftd_device_memory_used_bytes", 5 * GIB),
        ("ftd_device_memory_reserved_bytes", 4 * GIB),
        ("ftd_device_memory_foreign_bytes", GIB),
        ("ftd_device_utilization_ratio", 0.75),
        ("ftd_device_temperature_celsius", 51),
        ("ftd_device_energy_joules_total", 1e6),
        ("ftd_device_sample_timestamp_seconds", NOW.timestamp()),
    ],
)
def test_a_device_is_told_of(tmp_path: Path, name: str, value: float) -> None:
    found = metrics.values(told_of(tmp_path, metrics.standing(3)), name)

    assert found == {("simulated3",): value}


@pytest.mark.parametrize("state", DeviceState)
def test_a_device_is_in_one_state_and_in_no_other(tmp_path: Path, state: DeviceState) -> None:
    lines = told_of(tmp_path, metrics.standing(state=state))

    found = {line.labels["state"]: line.value for line in lines if line.name == "ftd_device_state"}

    assert found == {each.value: float(each is state) for each in DeviceState}


def test_grave_xids_are_there_from_the_start_others_once_seen(tmp_path: Path) -> None:
    lines = told_of(tmp_path, metrics.standing(kind=DeviceKind.GPU))

    found = {
        line.labels["xid"]: line.value
        for line in lines
        if line.name == "ftd_device_xid_errors_total"
    }

    assert found.pop("13") == 2
    assert found.pop("79") == 1
    assert set(found) == {"48", "62", "64", "74", "95", "119", "120"}
    assert set(found.values()) == {0}


def test_a_processor_has_no_xids(tmp_path: Path) -> None:
    bare = metrics.standing(kind=DeviceKind.CPU, reading=Reading(time=NOW))

    assert metrics.values(told_of(tmp_path, bare), "ftd_device_xid_errors_total") == {}


def test_a_device_that_cannot_tell_is_not_spoken_for(tmp_path: Path) -> None:
    silent = metrics.standing(reading=Reading(), guests=(), state=DeviceState.FREE)

    names = {line.name for line in told_of(tmp_path, silent) if "device" in line.labels}

    assert names == {
        "ftd_device_info", "ftd_device_state", "ftd_device_jobs", "ftd_device_left_processes",
        "ftd_device_memory_total_bytes", "ftd_device_memory_reserved_bytes",
        "ftd_device_xid_errors_total",
    }  # fmt: skip


def test_a_job_that_has_a_device_for_itself_reserves_all_of_it(tmp_path: Path) -> None:
    alone = metrics.standing(guests=(Guest(job_id="a", name="a", memory_bytes=None),))

    found = metrics.values(told_of(tmp_path, alone), "ftd_device_memory_reserved_bytes")

    assert list(found.values()) == [16 * GIB]
