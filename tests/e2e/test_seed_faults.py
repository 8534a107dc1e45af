"""The eleven faults that reports of fine-tuning had, each tried through what users have.

docs/reliability.md has them as a table; tests/house/blunders.py holds it.
"""

import csv
import io
import json
import math
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ftctl import Job
from fttrain.data import sources
from fttrain.data.view import EvalView, normalise
from fttrain.models import build
from fttrain.spec import faults, rundir
from fttrain.spec.plan import Plan
from fttrain.state import checkpoint
from tests.e2e.recipes import small
from tests.e2e.serving import Serving

pytestmark = pytest.mark.asyncio(loop_scope="module")

Real = NDArray[np.float64]
MOBILENET = {"name": "mobilenet_v2"}


async def ended(daemon: Serving, job: dict[str, Any]) -> Job:
    """Return a job that has succeeded."""
    handle = await daemon.client.submit(job)
    return (await handle.wait()).check()


async def planned(daemon: Serving, folder: Path, job: dict[str, Any]) -> tuple[int, str]:
    """Plan a job by the command; return its exit code and what it said, in one line."""
    file = folder / "job.json"
    file.write_text(json.dumps(job))
    code, out, err = await daemon.ftctl("submit", file, "--dry-run")
    return code, " ".join((out + err).split()).replace(f"{folder}/", "")


def last_of(job: Job) -> tuple[dict[str, torch.Tensor], Plan]:
    """Return the tensors of a job's last checkpoint, and its plan."""
    tensors, card = checkpoint.read(Path(job.run_dir, rundir.LAST))
    return tensors, card.plan


# --- B1: no zero_grad ---------------------------------------------------------------------------

RATE = 0.5


async def test_b1_gradients_do_not_add_up_over_steps(daemon: Serving, photos: Path) -> None:
    step: dict[str, Any] = {"batch_size": 48, "optimizer": {"sgd": {"lr": RATE}}, "trains": "head"}
    plain = {**small(photos, **step), "model": {"cnn": {"channels": [8]}}}
    plain["data"] = {**plain["data"], "augment": []}
    runs = [
        await ended(daemon, {**plain, "train": {**plain["train"], "epochs": epochs}})
        for epochs in (1, 3)
    ]

    first, third = (head_of(last_of(run)[0]) for run in runs)
    seen, labels = features(runs[0])
    second = first - RATE * gradient(first, seen, labels)
    expected = second - RATE * gradient(second, seen, labels)
    # What comes of it where the gradient of the step before is still there.
    piled = second - RATE * (gradient(second, seen, labels) + gradient(first, seen, labels))
    off = np.abs(third - expected).max()
    assert off < 1e-5 < 1e-3 < np.abs(third - piled).max()


def head_of(tensors: dict[str, torch.Tensor]) -> Real:
    """Return weights and biases of the head, (classes, features + 1)."""
    both = torch.cat([tensors["head.weight"], tensors["head.bias"][:, None]], 1)
    return both.double().numpy()


def features(job: Job) -> tuple[Real, Real]:
    """Return what the head of a frozen net sees of the training images, and their classes."""
    recipe, (tensors, plan) = faults.parse(json.dumps(job.recipe)), last_of(job)
    net = build.loaded(recipe.model, classes=2, channels=3, tensors=tensors, seed=0).module.eval()
    samples, view = sources.load(recipe.data).train, EvalView(plan.preprocess.steps)
    images = torch.stack([view(samples.picture(index)) for index in range(len(samples))])
    seen: list[torch.Tensor] = []
    net.get_submodule("head").register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        net(normalise(images, plan.preprocess.steps))
    ones = torch.ones(len(samples), 1)
    return torch.cat([seen[0], ones], 1).double().numpy(), np.eye(2)[samples.labels]


def gradient(head: Real, seen: Real, labels: Real) -> Real:
    """Return the gradient of mean cross-entropy of a linear layer, as it stands in textbooks."""
    logits = seen @ head.T
    shares = np.exp(logits - logits.max(1, keepdims=True))
    shares /= shares.sum(1, keepdims=True)
    slope: Real = (shares - labels).T @ seen / len(seen)
    return slope


# --- B2 to B4: what a plan refuses --------------------------------------------------------------


async def test_b2_an_empty_group_is_refused(daemon: Serving, photos: Path, tmp_path: Path) -> None:
    def job(*groups: dict[str, Any]) -> dict[str, Any]:
        return {**small(photos, groups=list(groups)), "model": MOBILENET}

    empty = await planned(
        daemon, tmp_path, job({"select": "head"}, {"select": "features.29.*", "lr": 0.01})
    )
    orphans = await planned(
        daemon, tmp_path, job({"select": "head"}, {"select": "block:features[-5:]", "lr": 0.01})
    )

    assert empty[0] == orphans[0] == 2
    assert (
        "train.groups[1].select[0]: `features.29.*` matches no parameter of mobilenet_v2"
        in (empty[1])
    )
    assert "parameters are trained but in no group (features." in orphans[1]
    whole = small(photos, groups=[
        {"select": "head"}, {"select": "block:features[-5:]", "lr": 0.02},
        {"select": "block:features[:-5]", "lr": 0.005},
    ])  # fmt: skip
    told = await daemon.client.validate({**whole, "model": MOBILENET})
    assert told.plan is not None
    table = [(group["lr"], group["tensors"] > 0) for group in told.plan["groups"]]
    assert table == [(0.05, True), (0.02, True), (0.005, True)]


async def test_b3_weights_that_are_not_loaded_are_refused(
    daemon: Serving, photos: Path, tmp_path: Path
) -> None:
    first = await ended(daemon, small(photos, epochs=1))
    model = first.run_dir + "/artifacts/model.safetensors"
    torch.save({"stem.weight": torch.ones(3)}, tmp_path / "other.pth")

    def job(weights: str, **train: Any) -> dict[str, Any]:
        plain = small(photos, epochs=1, **train)
        return {**plain, "model": {**plain["model"], "weights": f"file:{weights}"}}

    code, said = await planned(daemon, tmp_path, job(str(tmp_path / "other.pth")))
    second = await ended(daemon, job(model, trains="head"))

    assert code == 2
    assert "`file:other.pth` does not fit cnn: 0 tensors match" in said
    assert second.plan is not None
    card, (before, _), (after, _) = second.plan["weights"], last_of(first), last_of(second)
    assert (card["tensors_loaded"], len(card["sha256"])) == (len(before), 64)
    assert all(
        torch.equal(after[name], before[name]) for name in before if not name.startswith("head")
    )


async def test_b4_norms_chosen_by_a_name_that_they_lack_are_refused(
    daemon: Serving, photos: Path, tmp_path: Path
) -> None:
    def job(trains: list[str], **model: Any) -> dict[str, Any]:
        return {**small(photos, trains=trains), "model": {**MOBILENET, **model}}

    code, said = await planned(daemon, tmp_path, job(["head", "*norm*"]))
    kinds = await daemon.client.validate(job(["head", "type:BatchNorm2d"]))
    # Layers that take the place of others are there when the optimizer is made.
    changed = await daemon.client.validate(job(["head"], head=[{"linear": 8}, "batch_norm"]))

    assert code == 2
    assert "train.trains[1]: `*norm*` matches no parameter of mobilenet_v2" in said
    assert kinds.plan is not None
    assert changed.plan is not None
    assert [group["tensors"] for group in kinds.plan["groups"]] == [2 + 2 * 52]
    (head,) = changed.plan["groups"]
    assert (head["tensors"], head["parameters"]) == (6, 1280 * 8 + 8 + 2 * 8 + 8 * 2 + 2)


# --- B5: evaluation in training mode ------------------------------------------------------------


async def test_b5_validation_knows_neither_batches_nor_augmentation(
    daemon: Serving, photos: Path, tmp_path: Path
) -> None:
    plain = small(photos, epochs=2, evaluate_first=True)
    plain["model"] = {"cnn": {"channels": [8, 16], "pool": 2, "dropout": 0.5}}
    harsh = {**plain, "data": {**plain["data"], "augment": [
        {"random_resized_crop": {"size": 32}}, {"random_erasing": {"p": 1.0}}, "horizontal_flip",
    ]}}  # fmt: skip
    mild, changed = await ended(daemon, plain), await ended(daemon, harsh)

    # Before a step is made both nets are the same, and so are the images that they are judged by.
    assert mild.epochs[0].val == changed.epochs[0].val
    # Evaluated again, alone or in company, an image has the same verdict to the last digit.
    for label in ("circles", "squares"):
        (tmp_path / "few" / label).mkdir(parents=True)
        shutil.copy(photos / "val" / label / "003.jpg", tmp_path / "few" / label)
    whole = await daemon.client.evaluate(changed.id, verdicts=True)
    few = await daemon.client.evaluate(changed.id, data=tmp_path / "few", verdicts=True)
    assert whole.score == changed.evaluations[0].score
    company = {Path(row["image"]).parts[-2:]: row for row in rows(whole.verdicts)}
    alone = {Path(row["image"]).parts[-2:]: row for row in rows(few.verdicts)}
    assert len(alone) == 2
    for place, row in alone.items():
        assert {**row, "image": ""} == {**company[place], "image": ""}
    # Of an uneven folder, each class gives the same share.
    await stratified(daemon, photos, tmp_path / "uneven")


async def stratified(daemon: Serving, photos: Path, folder: Path) -> None:
    shutil.copytree(photos / "train", folder)
    for file in sorted((folder / "circles").iterdir())[8:]:
        file.unlink()
    uneven = small(photos, epochs=1)
    parted = {"path": str(folder), "split": {"val": 0.25}}
    uneven["data"] = {**uneven["data"], "folder": parted}
    told = await daemon.client.validate(uneven)
    assert told.plan is not None
    counts = Counter({"circles": 8, "squares": 24})
    assert told.plan["data"]["val"]["per_class"] == [count // 4 for count in counts.values()]


def rows(table: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(table.decode(), newline="")))


# --- B6 to B11: what is reported ----------------------------------------------------------------


async def test_b6_a_learning_rate_that_rises_again_is_reported(
    daemon: Serving, photos: Path, tmp_path: Path
) -> None:
    cosine = {"cosine": {"t_max": 7, "eta_min": 1e-4}}
    code, said = await planned(daemon, tmp_path, small(photos, epochs=15, schedule=cosine))
    falling = await planned(daemon, tmp_path, small(photos, epochs=15, schedule="cosine"))

    assert code == 0
    assert (
        "the learning rate falls to 0.0001 at epoch 8 and rises again, to 0.05 at epoch 15: the "
        "half wave of a cosine of t_max 7 ends there; leave t_max out, and it falls to the end "
        "of the run" in said
    )
    assert "rises again" not in falling[1]


async def test_b7_what_two_settings_did_is_confounded(daemon: Serving, photos: Path) -> None:
    one = small(photos, epochs=1, name="one")
    other = small(photos, epochs=1, name="other", optimizer={"sgd": {"lr": 0.02, "momentum": 0.9}})
    both = {**other, "name": "both", "model": {"cnn": {"channels": [8, 8], "pool": 2}}}
    for job in (one, other, both):
        await ended(daemon, job)

    single = await daemon.ftctl("compare", "one", "other")
    double = await daemon.ftctl("compare", "one", "both")

    said, confounded = (" ".join(out.split()) for _, out, _ in (single, double))
    assert (single[0], double[0]) == (0, 0)
    assert "confounded" not in said
    assert "both differs in 2 settings, confounded: " in confounded


async def test_b8_a_warm_up_of_half_the_run_and_a_rate_of_another_batch_are_reported(
    daemon: Serving, photos: Path, tmp_path: Path
) -> None:
    rate = {"base": 0.5, "at_batch": 1024, "scale": "linear"}
    job = small(
        photos, epochs=10, warmup={"epochs": 5}, batch_size=16, optimizer={"sgd": {"lr": rate}}
    )

    code, said = await planned(daemon, tmp_path, job)

    assert code == 0
    assert (
        "the warm-up takes 5 of 10 epochs, 50 % of the run: that much of it trains below the full "
        "learning rate" in said
    )
    told = await daemon.client.validate(job)
    assert told.plan is not None
    assert [group["lr"] for group in told.plan["groups"]] == [0.5 * 16 / 1024]


async def test_b10_every_accuracy_has_its_count_and_interval(daemon: Serving, photos: Path) -> None:
    job = await ended(daemon, small(photos, epochs=2, name="counted"))

    scores = [job.best.val if job.best else None, *(each.score for each in job.evaluations)]
    for score in scores:
        assert score is not None
        assert score.count == 24
        assert score.accuracy == score.correct / score.count
        assert (score.accuracy_low, score.accuracy_high) == pytest.approx(
            wilson(score.correct, score.count)
        )
    _, out, _ = await daemon.ftctl("evaluate", "counted")
    right = job.evaluations[0].score.correct
    low, high = (f"{100 * share:.1f}" for share in wilson(right, 24))
    assert f"({low}–{high}), {right} of 24 right" in out


def wilson(right: int, count: int) -> tuple[float, float]:
    """Solve (p - right/count)^2 = z^2 p (1 - p) / count for p."""
    z = 1.959963984540054
    a, b, c = count + z * z, -(2 * right + z * z), right * right / count
    root = math.sqrt(max(b * b - 4 * a * c, 0.0))
    return (-b - root) / (2 * a), (-b + root) / (2 * a)


async def test_b11_parameters_and_macs_are_counted_on_the_net(
    daemon: Serving, photos: Path, tmp_path: Path
) -> None:
    job = small(photos, epochs=1)
    told = await daemon.client.validate(job)

    assert told.plan is not None
    # 3x3 convolutions of 8 and of 16 channels, pooled by 2 between, then 2 classes.
    macs = 9 * 3 * 8 * 32 * 32 + 9 * 8 * 16 * 16 * 16 + 16 * 2
    parameters = 9 * 3 * 8 + 9 * 8 * 16 + 2 * (8 + 16) + 16 * 2 + 2
    assert told.plan["macs"] == macs
    assert told.plan["parameters"] == parameters
    _, said = await planned(daemon, tmp_path, job)
    assert f"{parameters:,}" in said
