"""Blueprints over the API: whose net is drawn, and what stands against it."""

import json
from typing import Any

import grpc
import pytest

from finetuned.v1 import blueprint_service_pb2 as pb
from finetuned.v1 import blueprint_service_pb2_grpc
from tests.fakes import jobs
from tests.fakes.jobs import RECIPE
from tests.fakes.listening import Line, reason


def recipe(**model: str) -> str:
    return json.dumps({**json.loads(RECIPE), "model": model})


async def drawn(line: Line, **of: Any) -> dict[str, Any]:
    blueprints = blueprint_service_pb2_grpc.BlueprintServiceStub(line.channel)
    reply = await blueprints.DrawBlueprint(pb.DrawBlueprintRequest(**of), timeout=20)
    return dict(json.loads(reply.blueprint_json))


async def refused(line: Line, **of: Any) -> tuple[str, str]:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await drawn(line, **of)
    return reason(error.value), error.value.details() or ""


async def test_a_recipe_s_net_is_drawn_with_what_it_refers_to(line: Line) -> None:
    asked = await drawn(line, recipe_json=recipe(name="resnet18"))

    assert asked["wanted"] == "blueprint"
    assert json.loads(asked["recipe_json"])["model"]["name"] == "resnet18"
    assert asked["references"] == {}


async def test_a_job_s_net_is_drawn_of_its_own_recipe(line: Line) -> None:
    await line.office.submit(jobs.request("ants"), request_id="")
    assert json.loads((await drawn(line, job="ants"))["recipe_json"]) == json.loads(RECIPE)


async def test_weights_that_are_not_made_yet_are_left_to_the_notes(line: Line) -> None:
    await line.office.submit(jobs.request("ants"), request_id="")
    text = recipe(name="resnet18", weights="job:ants/best")
    assert (await drawn(line, recipe_json=text))["references"] == {}


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        ({}, ("INVALID_ARGUMENT", "of: name a recipe or a job")),
        ({"job": "bees"}, ("JOB_NOT_FOUND", "no job has the name or id `bees`")),
        ({"recipe_json": recipe(name="alexnet")}, ("INVALID_JOB", "the job has 1 fault")),
        (
            {"recipe_json": recipe(name="x", weights="job:no/best")},
            ("INVALID_JOB", "the job has 1 fault"),
        ),
        (
            {"recipe_json": recipe(name="vgg11")},
            ("PLANNER_UNAVAILABLE", "the planner broke off; its memory may have run out"),
        ),
    ],
    ids=["nothing", "no such job", "fault", "no such weights", "broken off"],
)
async def test_what_cannot_be_drawn_is_told(
    line: Line, of: dict[str, Any], expected: tuple[str, str]
) -> None:
    told = await refused(line, **of)
    assert told[0] == expected[0]
    assert expected[1] in told[1]
