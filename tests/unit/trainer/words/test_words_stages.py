"""`train.stages`: each word of a stage is the same word of a run of one stage."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from timm.optim._param_groups import param_groups_layer_decay

from fttrain import assembly
from fttrain.models import build, tensors
from fttrain.optim import groups
from fttrain.spec import faults, rundir, stages
from fttrain.spec import recipe as recipes
from fttrain.spec.network import Cnn, Model
from fttrain.spec.recipe import Recipe
from tests import engine, staged

DECAYED = {"sgd": {"lr": 0.05, "weight_decay": 0.3}}
WORDS: dict[str, Any] = {
    "trains": ["head", "last:1"],
    "groups": [{"select": "head", "lr": 0.2}, {"select": "features.*", "weight_decay": 0.1}],
    "layer_decay": 0.5,
    "optimizer": {"adamw": {"lr": 0.01}},
    "schedule": {"step": {"every": 1, "gamma": 0.5}},
    "warmup": {"steps": 4},
    "norm_weight_decay": 0.0,
    "bias_weight_decay": 0.0,
}


def flat(root: Path, augment: list[Any], **train: Any) -> dict[str, torch.Tensor]:
    data = {"digits": {"labels_per_class": 4}, "augment": augment}
    body = {"optimizer": DECAYED, **train}
    recipe = engine.parsed(data, {"cnn": {"channels": [4, 8, 8]}}, body, outputs=[])
    engine.trained(root, recipe)
    return tensors.read(root / rundir.LAST).tensors


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> dict[str, torch.Tensor]:
    return flat(tmp_path_factory.mktemp("plain") / "run", [])


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.word(f"train.stages.{n}")) for n in WORDS]
)
def test_a_word_of_a_stage_is_that_word_of_a_run(
    tmp_path: Path, plain: dict[str, torch.Tensor], name: str
) -> None:
    said = {name: WORDS[name]}
    engine.trained(tmp_path / "stage", staged.recipe({"epochs": 2, **said}, optimizer=DECAYED))

    mine = tensors.read(tmp_path / "stage" / rundir.LAST).tensors
    theirs = flat(tmp_path / "flat", [], **said)
    assert staged.changed(mine, theirs) == set()
    assert mine.keys() != plain.keys() or staged.changed(mine, plain)


@pytest.mark.word("train.stages.augment")
def test_the_changes_of_a_stage_take_the_place_of_those_of_the_data(
    tmp_path: Path, plain: dict[str, torch.Tensor]
) -> None:
    data = {"augment": ["horizontal_flip"]}
    for name, augment in {"others": ["vertical_flip"], "none": []}.items():
        recipe = staged.recipe({"epochs": 2, "augment": augment}, data=data, optimizer=DECAYED)
        engine.trained(tmp_path / name, recipe)
    others, none = (
        tensors.read(tmp_path / name / rundir.LAST).tensors for name in ("others", "none")
    )
    assert staged.changed(others, flat(tmp_path / "flat", ["vertical_flip"])) == set()
    assert staged.changed(none, plain) == set()


@pytest.mark.word("train.stages", "train.stages.epochs", "train.stages.optimizer_state")
def test_what_a_stage_does_not_state_is_as_under_train() -> None:
    recipe = staged.recipe(
        {"epochs": 2, "trains": "head"},
        {"epochs": 3, "optimizer": {"adamw": {"lr": 0.01}}, "optimizer_state": "reset"},
        warmup={"steps": 3}, max_steps=40, early_stopping={}, evaluate_first=True,
        data={"augment": ["horizontal_flip"]},
    )  # fmt: skip
    first, second = stages.of(recipe)

    assert recipe.train.epochs == 5
    assert (first.train.epochs, second.train.epochs) == (2, 3)
    assert (first.train.trains, second.train.trains) == (["head"], ["all"])
    assert (first.train.optimizer.kind, second.train.optimizer.kind) == ("sgd", "adamw")
    assert first.train.warmup == second.train.warmup == recipe.train.warmup
    assert first.data == second.data == recipe.data
    assert [each.train.early_stopping is None for each in (first, second)] == [True, False]
    assert [each.train.evaluate_first for each in (first, second)] == [True, False]
    assert first.train.max_steps is second.train.max_steps is None
    assert stages.of(first) == (first,)


TEXTS = [
    staged.recipe({"epochs": 2}, {"epochs": 1, "augment": []}),
    staged.recipe({"epochs": 1, "optimizer": DECAYED}, {"epochs": 1, "optimizer": staged.SGD},
                  optimizer=None),
    engine.digits(),
]  # fmt: skip


@pytest.mark.parametrize("recipe", TEXTS)
def test_a_canonical_text_reads_as_what_it_was_written_from(recipe: Recipe) -> None:
    text = recipes.canonical(recipe)
    assert faults.parse(text) == recipe
    said = json.loads(text)["train"]
    assert ("epochs" in said) != ("stages" in said)
    for each in stages.of(recipe):
        assert faults.parse(recipes.canonical(each)) == each


def test_the_text_of_a_training_without_stages_is_as_before_there_were_any() -> None:
    # By it, checkpoints and plans of older versions are known again.
    said = json.loads(recipes.canonical(engine.digits()))["train"]
    assert json.dumps(said, separators=(",", ":")) == (
        '{"accumulate":1,"batch_size":4,"bn":"eval","checkpoint":{"epochs":1,"keep":2,"minutes":'
        '5.0},"epochs":2,"evaluate_every":1,"evaluate_first":false,"groups":[],"loss":'
        '{"cross_entropy":{"label_smoothing":0.0}},"optimizer":{"sgd":{"dampening":0.0,"lr":0.05,'
        '"momentum":0.9,"nesterov":false,"weight_decay":0.0}},"out_of_memory":"halve",'
        '"precision":"fp32","repeats":1,"resume":"inexact","schedule":{"constant":{}},"seed":0,'
        '"trains":["all"]}'
    )


# --- what cannot be -----------------------------------------------------------------------

ONE, TWO = {"epochs": 1}, {"epochs": 2}


def test_epochs_belong_to_the_stages() -> None:
    assert staged.refused(ONE, TWO, epochs=3) == {
        "train.epochs": "belongs to the stages: say train.stages[i].epochs, with i from 0 to 1; "
        "together they are the epochs of the run"
    }


def test_an_optimizer_is_stated_for_all_or_by_each() -> None:
    assert staged.refused({**ONE, "optimizer": DECAYED}, TWO, optimizer=None) == {
        "train.optimizer": "is missing: train.stages[1] states none; state it here for all "
        "stages, or in each of them"
    }


def test_a_run_in_stages_goes_on_from_no_other() -> None:
    assert staged.refused(ONE, **{"continue": "job:ants"}) == {
        "train.continue": "a run in stages cannot go on from another one; leave out "
        "train.stages, or begin with its weights: model.weights: job:ants/last"
    }


def test_no_run_goes_on_from_one_in_stages(tmp_path: Path) -> None:
    engine.trained(tmp_path / "run", staged.recipe({"epochs": 1}, {"epochs": 1}))
    said: dict[str, Any] = {"continue": "job:ants", "epochs": 4}
    onward = staged.recipe(**said)
    assert engine.refused(onward, {"job:ants": str(tmp_path / "run" / rundir.LAST)}) == {
        "train.continue": "`job:ants` was trained in stages; to begin with its weights, say "
        "model.weights"
    }


def test_without_stages_epochs_and_optimizer_are_missed_and_no_stage_is_none() -> None:
    assert staged.refused(optimizer=None) == {"train.stages": "needs at least 1 entry, not 0"}
    with pytest.raises(faults.RecipeFaults) as found:
        faults.parse(json.dumps({"data": {"digits": {}}, "model": {"cnn": {}}, "train": {}}))
    assert str(found.value) == (
        "train.epochs: is missing; train.batch_size: is missing; train.optimizer: is missing"
    )


def test_faults_of_a_stage_name_it_and_those_of_all_do_not() -> None:
    recipe = staged.recipe(
        {**ONE, "trains": ["haed"]},
        {**ONE, "trains": "last:1"},
        {**TWO, "groups": [{"select": "head"}, {"select": ["head", "last:1"]}]},
        {**ONE, "groups": [{"select": "head"}], "warmup": {"epochs": 1}},
        groups=[{"select": "head"}, {"select": "feature.*"}],
    )
    assert engine.refused(recipe) == {
        "train.stages[0].trains[0]": "`haed` matches no parameter of cnn; did you mean `head`?",
        "train.groups[0].select": "matches 2 parameters, none of which trains; see "
        "train.stages[1].trains (in train.stages[1])",
        "train.groups[1].select[0]": "`feature.*` matches no parameter of cnn; did you mean "
        "`features.*`? (in train.stages[1])",
        "train.stages[2].groups[1].select": "2 parameters are already in "
        "train.stages[2].groups[0] (such as head.weight); a parameter has one learning rate",
        "train.stages[3].groups": "9 parameters are trained but in no group "
        "(features.0.0.weight, features.0.1.weight, ...); add a group that selects them, such "
        "as {select: rest}, or take them out of train.trains",
    }


def test_a_warmup_that_takes_all_of_a_stage_is_refused() -> None:
    recipe = staged.recipe(ONE, {**TWO, "warmup": {"steps": 20}}, warmup={"epochs": 1})
    assert engine.refused(recipe) == {
        "train.warmup.epochs": "takes 10 steps, all that the stage has is 10 (in train.stages[0])",
        "train.stages[1].warmup.steps": "takes 20 steps, all that the stage has is 20",
    }


def test_a_state_that_cannot_be_kept_is_refused() -> None:
    kept = {"epochs": 1, "optimizer_state": "keep"}
    adam = {"adam": {"lr": 0.1}}
    recipe = staged.recipe(
        {**kept, "trains": "head"},
        {**kept, "trains": "last:1"},
        {**kept, "optimizer": adam},
        {**kept, "optimizer": {"adam": {"lr": 0.1, "amsgrad": True}}},
        {**kept, "optimizer": {"sam": {"base": {"adam": {"lr": 0.1, "amsgrad": True}}}}},
    )
    field = "train.stages[{}].optimizer_state"
    assert engine.refused(recipe) == {
        field.format(0): "there is no stage before the first that an optimizer could be kept from",
        field.format(1): "no parameter trains in both stages, so that nothing is kept; reset it",
        field.format(2): "the optimizer is adam, that of the stage before sgd; reset it",
        field.format(3): "amsgrad is true, that of the stage before false, so that they keep "
        "other things; reset it, or have both alike",
    }


# --- rates by depth -----------------------------------------------------------------------


def in_timm(decay: float) -> dict[str, float]:
    """Return by what timm multiplies the rate of each parameter of the small net."""
    net = build.skeleton(Model(cnn=Cnn(channels=[4, 8, 8])), classes=10, channels=1).module
    matcher = {"stem": r"^features\.0\.", "blocks": r"^features\.(\d+)\."}
    net.group_matcher = lambda coarse=False: matcher  # type: ignore[assignment]
    parted = param_groups_layer_decay(net, weight_decay=0.1, layer_decay=decay)
    names = {id(parameter): name for name, parameter in net.named_parameters()}
    return {names[id(p)]: table["lr_scale"] for table in parted for p in table["params"]}


@pytest.mark.word("train.layer_decay")
@pytest.mark.parametrize("decay", [0.75, 0.5, 1.0])
def test_rates_fall_from_the_head_to_the_stem_as_timms_do(decay: float) -> None:
    recipe = engine.parsed({"digits": {"labels_per_class": 4}}, {"cnn": {"channels": [4, 8, 8]}},
                           {"layer_decay": decay, "norm_weight_decay": 0.0})  # fmt: skip
    plan = engine.planned(recipe)

    found = {name: card.lr / 0.05 for card in plan.groups for name in card.names}
    assert found == pytest.approx(in_timm(decay), rel=1e-12)
    training = assembly.training(recipe, plan)
    assert training.rates(0) == [card.lr for card in plan.groups]


def test_each_depth_is_a_row_that_says_how_its_rate_came() -> None:
    net = build.skeleton(Model(name="resnet18"), classes=2, channels=3)
    recipe = engine.parsed(
        {"digits": {}},
        {"name": "resnet18"},
        {
            "layer_decay": 0.5, "trains": ["head", "layer4.*", "layer3.1.*"], "batch_size": 8,
            "groups": [{"select": "head", "lr": 1.0}, {"select": "layer?.*"}],
            "optimizer": {"sgd": {"lr": {"base": 0.4, "at_batch": 32}}},
        },
    )  # fmt: skip
    rows = [(c.name, c.lr, c.lr_origin) for c in groups.table(net, recipe.train)]
    assert rows == [
        ("head", 1.0, ""),
        ("layer?.* (depth 1)", 0.05, "0.4 x 8/32 x 0.5^1"),
        ("layer?.* (depth 2)", 0.025, "0.4 x 8/32 x 0.5^2"),
        ("layer?.* (depth 3)", 0.0125, "0.4 x 8/32 x 0.5^3"),
    ]
