"""Every job file under examples/ runs through the daemon, changed in nothing but its material."""

from collections.abc import AsyncIterator
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from ftctl import AsyncClient, InvalidJob, Job, JobFile, JobState
from tests import examples
from tests.e2e.serving import Serving, serving
from tests.examples import Material

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600), pytest.mark.asyncio(loop_scope="module")]

# Nobody listens there: what is not on this machine cannot be had.
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    return Material(root=tmp_path_factory.mktemp("material"))


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def offline(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Serving]:
    """Start a daemon that has no weights and cannot fetch any."""
    root = tmp_path_factory.mktemp("offline")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HTTPS_PROXY", NOWHERE)
        patch.setenv("https_proxy", NOWHERE)
        patch.setenv("TORCH_HOME", str(root / "torch"))
        async with serving(root / "state") as running:
            yield running


async def recipe_of(client: AsyncClient, path: Path) -> Any:
    """Return the recipe that a file as it is resolves to; the job never starts."""
    waiting = {"name": "as-it-is", "not_before": "2099-01-01T00:00:00Z"}
    handle = await client.submit(JobFile.read(path, overrides=waiting))
    job = await client.get(handle.id)
    await handle.cancel()
    await handle.wait()
    return job.recipe


def named(path: Path) -> tuple[Path, tuple[str, ...], str]:
    request = JobFile.read(path).request
    return path, tuple(request.after), request.name


def differences(before: Any, after: Any) -> set[str]:
    """Return the fields in which two recipes differ, but for defaults that are filled in."""
    told, other = examples.leaves(before), examples.leaves(after)
    differ = {field for field in told.keys() | other.keys() if told.get(field) != other.get(field)}
    return differ - {"data.preprocess.interpolation"}


async def test_every_example_runs_and_its_recipe_differs_in_nothing_but_its_material(
    daemon: Serving, material: Material, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, folder in material.pushed().items():
        await daemon.client.push_dataset(name, folder)
    jobs: dict[Path, Job] = {}
    for _, together in groupby(examples.files(), key=lambda path: path.parent):
        for path in examples.in_order(map(named, together)):
            # What the file itself says decides where sizes and paths stand.
            before = await recipe_of(daemon.client, path)
            overrides = examples.smaller(before, material)
            handle = await daemon.client.submit(JobFile.read(path, overrides=overrides))
            jobs[path] = (await handle.wait()).check()
            differ = differences(before, jobs[path].recipe)
            assert [one for one in differ if not examples.ALLOWED.fullmatch(one)] == [], path

    with capsys.disabled():
        print(f"\n{len(examples.files())} example files, {len(jobs)} runs of them")
    assert all(job.state is JobState.SUCCEEDED for job in jobs.values())
    assert len(jobs) == len(examples.files())


async def faults_of(client: AsyncClient, path: Path) -> dict[str, str]:
    """Return what a dry run finds: fields and what is wrong with them, each once."""
    try:
        await client.validate(path)
    except InvalidJob as invalid:
        faults = invalid.faults
    else:
        faults = ()
    assert len({fault.field for fault in faults}) == len(faults)
    return {fault.field: fault.description for fault in faults}


async def test_a_dry_run_names_the_data_and_weights_that_are_missing_and_nothing_else(
    offline: Serving, material: Material
) -> None:
    pushed = material.pushed()
    for path in examples.files():
        missing = examples.missing(path)
        found = await faults_of(offline.client, path)
        assert found.keys() == missing.keys(), path
        assert [field for field in found if missing[field] not in found[field]] == [], path
    for name, folder in pushed.items():
        await offline.client.push_dataset(name, folder)
    for path in examples.files():
        if "data.dataset.name" in examples.missing(path):
            found = await faults_of(offline.client, path)
            assert found.keys() == examples.missing_weights(path).keys(), path


async def test_submit_says_so_and_where_in_the_file_it_stands(offline: Serving) -> None:
    path = examples.FOLDER / "gallery/s4b/all-small-lr.yaml"

    code, out, err = await offline.ftctl("submit", path, "--dry-run")

    assert (code, out) == (2, "")
    cached = offline.state.parent / "torch/hub/checkpoints/resnet50-0676ba61.pth"
    lines = path.read_text().splitlines()
    data, net = (
        1 + next(number for number, line in enumerate(lines) if word in line)
        for word in ("folder:", "weights:")
    )
    assert err.splitlines() == [
        f"{path}:{data}:12: data.folder.path: {path.parent}/inaturalist_12K/train does not exist "
        "on this machine",
        f"{path}:{net}:25: model.weights: https://download.pytorch.org/models/{cached.name} cannot "
        "be downloaded: [Errno 111] Connection refused; download it elsewhere and put it at "
        f"{cached}, or name it as `file:PATH`",
        "ftctl: 2 faults; nothing was submitted",
    ]
