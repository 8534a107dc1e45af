"""dcgm-exporter finds which job is on which GPU, and nothing that is no longer true."""

import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ftd.devices.model import DeviceKind
from ftd.errors import BadConfig
from ftd.jobs.fleet import Guest, Standing
from ftd.metrics import mapping
from tests.fakes import metrics
from tests.wait import wait_until


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapping, "SWEEP_S", 0.01)


def gpu(number: str, *jobs: str) -> Standing:
    guests = tuple(Guest(job_id=job, name=job, memory_bytes=1) for job in jobs)
    bare = metrics.standing(kind=DeviceKind.GPU, guests=guests)
    return replace(bare, device=replace(bare.device, number=number))


def reads(folder: Path, name: str, text: str) -> Callable[[], bool]:
    return lambda: (folder / name).read_text() == text


def contents(folder: Path) -> dict[str, str]:
    return {file.name: file.read_text() for file in folder.iterdir()}


def modes(folder: Path) -> set[int]:
    return {stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.iterdir())}


async def test_each_gpu_has_a_file_with_its_jobs_from_the_start(tmp_path: Path) -> None:
    folder = tmp_path / "run" / "dcgm"
    devices = [gpu("0", "aa", "bb"), gpu("1"), gpu("2.7", "cc"), metrics.standing(number=0)]
    devices[3] = replace(devices[3], device=replace(devices[3].device, number=""))

    async with mapping.kept(folder, lambda: devices):
        assert contents(folder) == {"0": "aa\nbb\n", "1": "", "2.7": "cc\n"}
        assert modes(folder) == {0o755, 0o644}


async def test_a_file_follows_its_gpu_and_is_empty_at_the_end(tmp_path: Path) -> None:
    devices = [gpu("0", "aa")]

    async with mapping.kept(tmp_path, lambda: devices):
        devices[:] = [gpu("0", "bb")]
        await wait_until(reads(tmp_path, "0", "bb\n"))
        devices[:] = [gpu("0")]
        await wait_until(reads(tmp_path, "0", ""))
        devices[:] = [gpu("0", "cc")]
        await wait_until(reads(tmp_path, "0", "cc\n"))

    assert contents(tmp_path) == {"0": ""}


async def test_a_reader_never_sees_half_a_file(tmp_path: Path) -> None:
    devices = [gpu("0", "aa")]
    async with mapping.kept(tmp_path, lambda: devices):
        before = (tmp_path / "0").open()
        devices[:] = [gpu("0", "bb")]
        await wait_until(reads(tmp_path, "0", "bb\n"))

        with before:
            assert before.read() == "aa\n"


async def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    folder = tmp_path / "file" / "dcgm"

    with pytest.raises(BadConfig) as error:
        async with mapping.kept(folder, lambda: [gpu("0")]):
            pass

    assert str(error.value) == (
        f"--dcgm-mapping-dir: {folder} cannot be written: Not a directory; "
        "give another folder, or none"
    )


async def test_a_folder_that_goes_and_comes_back_is_written_again(tmp_path: Path) -> None:
    folder = tmp_path / "dcgm"
    devices = [gpu("0", "aa")]

    async with mapping.kept(folder, lambda: devices):
        folder.rename(tmp_path / "away")
        folder.touch()
        devices[:] = [gpu("0", "bb")]
        with pytest.raises(NotADirectoryError):
            await wait_until(reads(folder, "0", "bb\n"))
        folder.unlink()
        await wait_until(lambda: folder.is_dir() and (folder / "0").exists())

        assert (folder / "0").read_text() == "bb\n"
