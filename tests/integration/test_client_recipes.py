"""`ftctl recipes`: what job files can be based on."""

import asyncio
import json

import pytest

import ftctl
from ftctl.testing import FakeDaemon
from ftctl.testing.recipes import RECIPES
from tests.fakes.calls import Call
from tests.fakes.terminals import start


@pytest.mark.usefixtures("fake")
async def test_recipes_are_listed_with_what_they_are_for(call: Call) -> None:
    assert await call("recipes") == (
        0,
        " tutorial           all layers train\n"
        "                    Made up.\n"
        " feature-extractor  the head trains\n"
        "                    Made up.\n"
        "\n"
        " `ftctl recipes NAME` prints one; `recipe: NAME` in a job file bases it on one\n",
        "",
    )


async def test_a_recipe_is_printed_as_it_would_stand_in_a_job_file(call: Call) -> None:
    assert await call("recipes", "tutorial") == (0, RECIPES["tutorial"].yaml, "")


async def test_recipes_as_json_have_their_keys_read(call: Call) -> None:
    code, out, err = await call("recipes", "-o", "json")
    one = json.loads((await call("recipes", "feature-extractor", "-o", "json"))[1])

    assert (code, err) == (0, "")
    assert json.loads(out)[1] == one
    assert list(one) == ["name", "title", "purpose", "source", "yaml", "recipe"]
    assert one["recipe"]["train"]["trains"] == "head"


async def test_an_unknown_recipe_is_answered_with_the_nearest(call: Call) -> None:
    assert await call("recipes", "tutorail") == (
        2, "", "ftctl: no recipe is named `tutorail`; did you mean `tutorial`?\n",
    )  # fmt: skip
    assert await call("recipes", "zzz") == (
        2, "", "ftctl: no recipe is named `zzz`; there are tutorial, feature-extractor\n",
    )  # fmt: skip


async def test_names_of_recipes_are_completed(fake: FakeDaemon) -> None:
    words = ("completion", "__complete", "recipes", "f")
    process = await start(fake, *words, stderr=asyncio.subprocess.PIPE)

    assert await process.communicate() == (b"feature-extractor\n", b"")


async def test_the_card_of_a_based_job_names_the_recipe(fake: FakeDaemon, call: Call) -> None:
    async with ftctl.AsyncClient(fake.socket) as client:
        await client.submit({"name": "ants", "recipe": "tutorial", "data": {"digits": {}}})

    assert " recipe    based on tutorial\n" in (await call("get", "ants"))[1]
    assert (await call("get", "ants", "-o", "yaml"))[1].startswith(
        "# Based on the recipe tutorial, which is merged in.\nname: ants\n"
    )
    assert json.loads((await call("get", "ants", "-o", "json"))[1])["base"] == "tutorial"
