"""Named recipes through the daemon: what comes out of one is what is kept, run and told."""

import json
from pathlib import Path

import pytest

from ftctl import JobState
from fttrain.spec import faults, named
from fttrain.spec.recipe import digest
from tests.e2e.serving import Serving

pytestmark = pytest.mark.asyncio(loop_scope="module")

JOB = """\
name: {name}
recipe: tutorial
data:
  folder: {{path: {photos}}}
  augment: []
  preprocess: {{resize: 32, crop: 32, mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25]}}
model: {{cnn: {{channels: [8, 16], pool: 2}}, weights: none}}
train: {{optimizer: {{sgd: {{lr: 0.05}}}}}}
"""


def digest_of(told: str) -> str:
    return digest(faults.parse(json.dumps(json.loads(told)["recipe"])))


async def test_what_get_prints_of_a_based_job_is_the_same_job_again(
    daemon: Serving, photos: Path, tmp_path: Path
) -> None:
    file, again = tmp_path / "job.yaml", tmp_path / "again.yaml"
    file.write_text(JOB.format(name="based", photos=photos))

    submitted = await daemon.ftctl("submit", file, "--set", "train.epochs=2")
    assert submitted[0] == 0, submitted
    code, yaml, err = await daemon.ftctl("get", "based", "-o", "yaml")
    assert (code, err) == (0, "")
    assert yaml.startswith("# Based on the recipe tutorial, which is merged in.\nname: based\n")
    again.write_text(yaml.replace("name: based", "name: again"))
    submitted = await daemon.ftctl("submit", again, "--watch")
    assert submitted[0] == 0, submitted

    first, second = [(await daemon.ftctl("get", n, "-o", "json"))[1] for n in ("based", "again")]
    assert digest_of(first) == digest_of(second)
    assert (json.loads(first)["base"], json.loads(second)["base"]) == ("tutorial", "")
    train = json.loads(first)["recipe"]["train"]
    assert (train["epochs"], train["batch_size"]) == (2, 4)
    assert train["optimizer"]["sgd"] | {"lr": 0.05, "momentum": 0.9} == train["optimizer"]["sgd"]
    assert train["schedule"] == {"step": {"every": 7, "gamma": 0.1, "by": "epoch"}}
    ended = await daemon.client.wait("based")
    assert ended.state is JobState.SUCCEEDED
    assert ended.plan is not None
    assert ended.plan["epochs"] == 2


async def test_a_fault_of_what_the_file_does_not_say_names_the_recipe_that_says_it(
    daemon: Serving, photos: Path, tmp_path: Path
) -> None:
    file = tmp_path / "job.yaml"
    file.write_text(JOB.format(name="wrong", photos=photos).replace(", weights: none", ""))

    code, out, err = await daemon.ftctl("submit", file, "--dry-run")

    assert (code, out) == (2, "")
    assert err.startswith(f"{file}:7:1: model.weights: ")
    assert err.splitlines()[0].endswith("(from recipe tutorial)")


async def test_what_a_recipe_leaves_to_the_job_file_is_asked_for_at_its_line(
    daemon: Serving, tmp_path: Path
) -> None:
    file = tmp_path / "job.yaml"
    file.write_text("name: bare\nrecipe: tutorial\n")

    assert await daemon.ftctl("submit", file) == (
        2, "", f"{file}:2:1: data: say where the images come from, exactly one of: folder, "
        "dataset, manifest, torchvision, cub200, fake, digits; recipe tutorial leaves that to the "
        "job file\nftctl: 1 fault; nothing was submitted\n",
    )  # fmt: skip


async def test_an_unknown_recipe_is_answered_with_the_nearest(
    daemon: Serving, tmp_path: Path
) -> None:
    file = tmp_path / "job.yaml"
    file.write_text("name: bare\nrecipe: torchvision_v2\n")

    assert await daemon.ftctl("submit", file) == (
        2, "", f"{file}:2:1: recipe: no recipe is named `torchvision_v2`; did you mean "
        "`torchvision-v2`?\nftctl: 1 fault; nothing was submitted\n",
    )  # fmt: skip


async def test_the_daemon_lists_its_recipes(daemon: Serving) -> None:
    told = await daemon.client.recipes()

    assert [each.name for each in told] == list(named.NAMES)


async def test_stages_of_a_recipe_are_reached_one_by_one(
    daemon: Serving, photos: Path, tmp_path: Path
) -> None:
    file = tmp_path / "job.yaml"
    file.write_text(
        JOB.format(name="staged", photos=photos)
        .replace("recipe: tutorial", "recipe: lp-ft")
        .replace("lr: 0.05", "nesterov: true")
    )
    epochs = [("--set", f"train.stages[{place}].epochs=1") for place in (0, 1)]

    code, out, err = await daemon.ftctl(
        "submit", file, "--watch", "--set", "train.batch_size=8", *epochs[0], *epochs[1]
    )

    assert code == 0, (out, err)
    job = await daemon.client.get("staged")
    assert [epoch.epoch for epoch in job.epochs] == [1, 2]
    probing, tuning = job.recipe["train"]["stages"]
    assert (probing["epochs"], probing["trains"]) == (1, ["head"])
    assert (tuning["epochs"], tuning["trains"]) == (1, ["all"])
    sgd = job.recipe["train"]["optimizer"]["sgd"]
    assert (sgd["lr"], sgd["nesterov"]) == (0.01, True)


async def test_epochs_of_a_recipe_in_stages_are_asked_for_by_stage(
    daemon: Serving, photos: Path, tmp_path: Path
) -> None:
    file = tmp_path / "job.yaml"
    file.write_text(JOB.format(name="x", photos=photos).replace("tutorial", "lp-ft"))

    assert await daemon.ftctl("submit", file, "--set", "train.epochs=3") == (
        2, "", "--set train.epochs: belongs to the stages: say train.stages[i].epochs, with i from "
        "0 to 1; together they are the epochs of the run\nftctl: 1 fault; nothing was submitted\n",
    )  # fmt: skip
