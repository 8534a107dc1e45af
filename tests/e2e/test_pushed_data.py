"""A job on pushed data: planned and trained from what its name meant when it was submitted."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio

from finetuned.v1 import job_pb2, job_service_pb2_grpc, recipe_service_pb2_grpc
from finetuned.v1 import job_service_pb2 as pb
from finetuned.v1.recipe_service_pb2 import PlanRecipeRequest
from fttrain.spec import rundir
from tests.e2e.recipes import small
from tests.e2e.serving import Serving
from tests.fakes.listening import details
from tests.fakes.pushing import Pusher, digest
from tests.wait import wait_until

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def channel(daemon: Serving) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(f"unix:{daemon.socket}") as channel:
        yield channel


@pytest.fixture
def files(photos: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(photos)): file.read_bytes()
        for file in sorted(photos.rglob("*"))
        if file.is_file()
    }


def recipe(photos: Path, dataset: Any) -> dict[str, Any]:
    job = small(photos, epochs=1)
    data = {**job["data"], "dataset": dataset}
    del data["folder"]
    return {**job, "data": data}


def spec(name: str, photos: Path, dataset: Any) -> job_pb2.JobSpec:
    return job_pb2.JobSpec(name=name, recipe_json=json.dumps(recipe(photos, dataset)))


async def test_a_job_trains_on_pushed_photos(
    daemon: Serving, channel: grpc.aio.Channel, photos: Path, files: dict[str, bytes]
) -> None:
    jobs: Any = job_service_pb2_grpc.JobServiceStub(channel)
    pusher = Pusher(channel=channel)
    made = await pusher.push(files, "shapes")
    request = pb.SubmitJobRequest(spec=spec("pushed", photos, "shapes"))
    job = (await jobs.SubmitJob(request)).job
    await pusher.push({"readme.txt": b"nothing to train on"}, "shapes")

    ended = await daemon.client.wait(job.id)

    told = (await jobs.GetJob(pb.GetJobRequest(job=job.id))).job
    assert ended.state.is_terminal, ended
    assert told.state == job_pb2.JOB_STATE_SUCCEEDED, told.outcome
    assert [(used.name, used.digest) for used in told.datasets] == [("shapes", digest(files))]
    plan = json.loads(told.plan_json)
    assert (plan["data"]["source"], plan["data"]["train"]["images"]) == ("data set shapes", 48)
    card = rundir.read_attempt(Path(told.run_dir))
    assert card.references == {
        "dataset:shapes": str(daemon.state / "datasets" / "versions" / made.digest)
    }


async def test_a_plan_is_of_the_data_set_as_it_is_now(
    channel: grpc.aio.Channel, photos: Path, files: dict[str, bytes]
) -> None:
    jobs: Any = job_service_pb2_grpc.JobServiceStub(channel)
    recipes: Any = recipe_service_pb2_grpc.RecipeServiceStub(channel)
    chosen = {"name": "parts", "train": "pictures/train", "val": "pictures/val"}
    await Pusher(channel=channel).push({f"pictures/{p}": files[p] for p in files}, "parts")
    asked = spec("", photos, chosen)

    checked = await jobs.SubmitJob(pb.SubmitJobRequest(spec=asked, validate_only=True))
    planned = await recipes.PlanRecipe(PlanRecipeRequest(recipe_json=asked.recipe_json))

    assert checked.job.plan_json == planned.plan_json
    assert json.loads(planned.plan_json)["data"]["val"]["images"] == 24
    assert [used.name for used in checked.job.datasets] == ["parts"]


@pytest.mark.parametrize(
    ("dataset", "field", "fault"),
    [
        (
            {"name": "whole", "train": "tran"},
            "data.dataset.train",
            "data set whole has no folder `tran`; did you mean `train`?",
        ),
        (
            "hole",
            "data.dataset.name",
            "no data set has the name `hole`; did you mean `whole`?",
        ),
        (
            {"name": "whole", "val": "../x"},
            "data.dataset.val",
            "`../x` leads out of the data set; say a folder within it",
        ),
    ],
)
async def test_what_a_recipe_says_wrongly_of_a_data_set_is_named(
    channel: grpc.aio.Channel,
    photos: Path,
    files: dict[str, bytes],
    dataset: Any,
    field: str,
    fault: str,
) -> None:
    jobs: Any = job_service_pb2_grpc.JobServiceStub(channel)
    await Pusher(channel=channel).push(files, "whole")
    request = pb.SubmitJobRequest(spec=spec("", photos, dataset), validate_only=True)

    with pytest.raises(grpc.aio.AioRpcError) as error:
        await jobs.SubmitJob(request)

    found = details(error.value)["BadRequest"].field_violations
    assert [(each.field, each.description) for each in found] == [(field, fault)]


async def test_the_files_of_a_deleted_data_set_go(
    daemon: Serving, channel: grpc.aio.Channel
) -> None:
    pusher = Pusher(channel=channel)
    made = await pusher.push({"a.txt": b"only here"}, "brief")
    place = daemon.state / "datasets" / "versions" / made.digest
    assert place.exists()

    await pusher.delete("brief")

    await wait_until(lambda: not place.exists())
