"""The verbs that only read: schema, version, metrics."""

import csv
import io
import json
from pathlib import Path

import grpc
import pytest

from finetuned.v1 import recipe_service_pb2 as pb
from finetuned.v1.recipe_service_pb2_grpc import add_RecipeServiceServicer_to_server
from ftctl import JobFile, jobschema, release
from ftctl.cli import VERBS, dispatch, parser
from ftctl.request import DAEMON_KEYS, RECIPE_KEYS, RESOURCE_KEYS
from fttrain.spec.based import schema
from tests.fakes import story


class Recipes:
    """The service of recipes, as the daemon answers it."""

    async def GetRecipeSchema(self, request, context):
        return pb.GetRecipeSchemaResponse(schema_json=json.dumps(schema()))

    async def ListRecipes(self, request, context):
        return pb.ListRecipesResponse()

    async def PlanRecipe(self, request, context):
        return pb.PlanRecipeResponse()


@pytest.fixture
async def recipes(tmp_path):
    """The socket of a daemon that tells of recipes only."""
    server = grpc.aio.server()
    add_RecipeServiceServicer_to_server(Recipes(), server)
    server.add_insecure_port(f"unix:{tmp_path}/recipes.sock")
    await server.start()
    yield tmp_path / "recipes.sock"
    await server.stop(grace=None)


@pytest.fixture
def call(capsys):
    async def run(socket, *words):
        given = ["--socket", str(socket), *words]
        code = await dispatch.call(parser(given).parse_args(given))
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


# --- schema ---------------------------------------------------------------------------------


async def test_schema_is_of_the_whole_job(recipes, call):
    code, out, err = await call(recipes, "schema")

    told = json.loads(out)
    assert (code, err) == (0, "")
    assert set(told["properties"]) == {*DAEMON_KEYS, *RECIPE_KEYS}
    assert told["else"]["required"] == ["data", "model", "train"]
    assert told["$defs"] == schema()["$defs"]
    assert told["additionalProperties"] is False


async def test_schema_needs_a_daemon(tmp_path, call):
    code, out, err = await call(tmp_path / "none.sock", "schema")

    assert (code, out) == (3, "")
    assert err.startswith(f"ftctl: no daemon answers at {tmp_path / 'none.sock'} (there is no such")


async def test_schema_of_a_daemon_without_recipes_says_so(daemon, call):
    assert await call(daemon.socket, "schema") == (
        3, "", f"ftctl: the daemon at {daemon.socket} does not know this request: it is older than "
        f"ftctl {release.version()}; install the same version on both sides, then restart "
        "`ftd serve`\n",
    )  # fmt: skip


def test_the_schema_names_what_a_job_file_may_say():
    assert list(jobschema.DAEMON_PART) == list(DAEMON_KEYS)
    assert tuple(jobschema.DAEMON_PART["resources"]["properties"]) == RESOURCE_KEYS


def test_the_examples_of_the_schema_are_read():
    for key, part in jobschema.DAEMON_PART.items():
        for example in part.get("examples", ()):
            assert JobFile.of({key: example}).faults == ()


# --- version --------------------------------------------------------------------------------


async def test_version_tells_of_client_api_and_daemon(daemon, call):
    assert await call(daemon.socket, "version") == (
        0,
        f"client  {release.version()}\napi     finetuned.v1\n"
        f"daemon  {release.version()}, answers at {daemon.socket}\n",
        "",
    )


async def test_version_says_where_the_daemon_is_of_another_one(daemon, call):
    daemon.own.daemon.version = "99.1.0"

    _, out, _ = await call(daemon.socket, "version")

    assert out.endswith(
        f"daemon  99.1.0, answers at {daemon.socket}\n"
        "        another version than the client's: what only one of them knows is refused\n"
    )


async def test_version_needs_no_daemon(tmp_path, call):
    socket = tmp_path / "none.sock"
    trouble = (
        f"no daemon answers at {socket} (there is no such socket); start one with `ftd serve`, "
        "or name its socket with --socket or FTCTL_SOCKET"
    )

    code, out, err = await call(socket, "version")
    assert (code, err) == (0, "")
    assert out.endswith(f"\ndaemon  {trouble}\n")

    code, out, _ = await call(socket, "version", "-o", "json")
    assert code == 0
    assert json.loads(out) == {
        "client": release.version(),
        "api": "finetuned.v1",
        "daemon": {"address": str(socket), "answers": False, "version": "", "trouble": trouble},
    }


# --- metrics --------------------------------------------------------------------------------


async def test_metrics_has_all_figures_in_csv_and_json(daemon, call):
    await story.tell(daemon, daemon.add("ants-bees"), epochs=2)

    code, out, _ = await call(daemon.socket, "metrics", "ants-bees", "-o", "csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    _, text, _ = await call(daemon.socket, "metrics", "ants-bees", "-o", "json")
    epochs = json.loads(text)

    assert code == 0
    assert [row["epoch"] for row in rows] == [str(epoch["epoch"]) for epoch in epochs]
    last, whole = rows[-1], epochs[-1]
    assert float(last["val_accuracy_low"]) == whole["val"]["accuracy_low"]
    assert float(last["train_loss"]) == whole["train"]["loss"]
    assert int(last["val_correct"]) == whole["val"]["correct"]
    assert float(last["lr_0"]) == whole["lrs"][0]
    assert last["best"] == str(whole["best"]).lower()


async def test_metrics_in_a_pipe_is_the_table_with_every_column(daemon, call):
    await story.tell(daemon, daemon.add("ants-bees"), epochs=2)

    code, out, _ = await call(daemon.socket, "metrics", "ants-bees")

    titles = " ".join(out.splitlines()[1].split())
    assert code == 0
    assert titles == "epoch loss acc % loss acc % 95 % lr img/s mem time"


async def test_metrics_of_a_job_without_epochs_says_so(daemon, call):
    daemon.add("waits")

    assert await call(daemon.socket, "metrics", "waits") == (
        0, "", "ftctl: waits has finished no epoch: it is queued\n"
    )  # fmt: skip
    assert await call(daemon.socket, "metrics", "waits", "-o", "json") == (0, "[]\n", "")
    code, out, _ = await call(daemon.socket, "metrics", "waits", "-o", "csv")
    assert (code, out.count("\n")) == (0, 1)


async def test_metrics_of_an_unknown_job_is_bad_input(daemon, call):
    assert await call(daemon.socket, "metrics", "nothing") == (
        2, "", "ftctl: there is no job `nothing`; `ftctl list` shows all\n"
    )  # fmt: skip


async def test_top_as_json_is_one_snapshot(daemon, call):
    daemon.add("waits")
    await story.tell(daemon, daemon.add("ended"), epochs=1)

    code, out, _ = await call(daemon.socket, "top", "-o", "json")

    told = json.loads(out)
    assert (code, told["devices"]) == (0, [])
    assert [job["name"] for job in told["jobs"]] == ["waits"]


def test_the_readme_lists_every_verb():
    readme = (Path(__file__).parent.parent.parent / "README.md").read_text()
    assert [verb for verb in VERBS if f"| `ftctl {verb}" not in readme] == []
