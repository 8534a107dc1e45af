"""Which settings differ, and what counts as one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftctl.comparison import pairs, settings
from tests.fakes.compared import changed, made

ADAMW = {"adamw": {"lr": 0.001, "betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 0.01}}
FLIP, JITTER, ERASE = {"horizontal_flip": {"p": 0.5}}, {"color_jitter": {}}, {"erase": {"p": 0.1}}


def differing(*recipes, plans=()):
    plans = plans or [{}] * len(recipes)
    runs = [
        made(f"job-{place}", recipe=recipe, plan=plan)
        for place, (recipe, plan) in enumerate(zip(recipes, plans, strict=True))
    ]
    return [(each.path, each.shown, each.role.value) for each in settings.differing(runs)]


def counted(recipe, plan=None, *, to=None):
    (pair,) = pairs.pairs(made("a", recipe=to), [made("b", recipe=recipe, plan=plan)])
    return pair


def test_equal_recipes_differ_in_nothing():
    assert differing({}, {}) == []
    assert counted({}).is_repeat


def test_a_number_is_one_setting_with_its_path():
    assert differing({}, {"train.batch_size": 64}) == [("train.batch_size", ("4", "64"), "counts")]
    assert not counted({"train.batch_size": 64}).is_confounded


def test_another_optimizer_with_an_lr_of_its_own_is_confounded():
    found = differing({"train.optimizer": ADAMW}, {})

    assert found == [
        ("train.optimizer", ("adamw", "sgd (momentum 0.9)"), "counts"),
        ("train.optimizer.lr", ("0.001", "0.1"), "counts"),
        ("train.optimizer.weight_decay", ("0.01", "0"), "counts"),
    ]
    pair = counted({"train.optimizer": {"adamw": {"lr": 0.001, "weight_decay": 0.0}}})
    assert (pair.settings, pair.weight) == (("train.optimizer", "train.optimizer.lr"), 2)
    assert pair.is_confounded


def test_another_optimizer_at_the_same_lr_is_one_setting():
    assert counted({"train.optimizer": {"adamw": {"lr": 0.1, "weight_decay": 0.0}}}).weight == 1


def test_a_seed_alone_is_a_repeat():
    pair = counted({"train.seed": 7})

    assert (pair.is_repeat, pair.differs_in_seed, pair.settings) == (True, True, ())


def test_two_settings_of_a_net_are_confounded_as_the_second_head_of_a_report_was():
    # resnet50 against resnet50_fc512, which also changed the last stride.
    nets = [{"last_stride": 2, "fc": 0}, {"last_stride": 1, "fc": 512}]
    this, other = ({"model.name": None, "model.resnet": net} for net in nets)

    pair = counted(other, to=this)

    assert pair.is_confounded
    assert pair.settings == ("model.resnet.last_stride", "model.resnet.fc")


def test_the_same_weights_from_another_path_are_no_setting():
    assert differing({}, {"model.weights": "file:/elsewhere/mobilenet.pth"}) == []


def test_other_weights_behind_the_same_words_are_one():
    plans = [{}, {"weights.sha256": "ef" * 32}]

    found = differing({}, {}, plans=plans)

    shown = ("IMAGENET1K_V1 (cdcdcdcd)", "IMAGENET1K_V1 (efefefef)")
    assert found == [("model.weights", shown, "counts")]


def test_weights_that_come_with_another_net_do_not_count_beside_it():
    other = {"model.name": "resnet18"}
    plan = {"weights.sha256": "ef" * 32}

    assert counted(other, plan).settings == ("model.name",)
    assert counted({**other, "model.weights": "none"}, {"weights.sha256": None}).weight == 2
    assert counted({**other, "model.weights": "IMAGENET1K_V2"}, plan).weight == 2


def test_a_net_of_another_kind_is_one_setting():
    cnn = {"model.name": None, "model.cnn": {"channels": [8, 16]}, "model.weights": "none"}

    assert differing({"model.weights": "none"}, cnn, plans=[{"weights.sha256": None}] * 2) == [
        ("model", ("mobilenet_v2", "cnn (channels [8, 16])"), "counts")
    ]


def test_the_same_images_from_another_folder_are_no_setting():
    moved = {"data.folder": None, "data.manifest": {"path": "/b.csv"}, "data.limit": 1000}

    assert differing({}, moved) == []


def test_other_images_are_a_setting_also_where_the_folder_is_called_the_same():
    plan = {"data.split_digest": "99" * 32, "data.val.images": 150}

    assert differing({}, {}, plans=[{}, plan]) == [
        ("data.images", ("245 + 153 (abababab)", "245 + 150 (99999999)"), "counts")
    ]
    moved = differing({}, {"data.folder.path": "/photos/bees"}, plans=[{}, plan])
    assert moved == [("data.folder.path", ("/photos/ants", "/photos/bees"), "counts")]


def test_noise_of_digits_counts_though_their_names_are_the_same():
    noisy = [{"data.folder": None, "data.digits": {"noise": noise}} for noise in (0.0, 2.0)]

    assert differing(*noisy) == [("data.digits.noise", ("0", "2"), "counts")]


def test_how_weights_want_their_images_follows_from_them():
    plan = {"weights.sha256": "ef" * 32, "preprocess.steps": {"resize": 232, "crop": 224}}

    pair = counted({"model.weights": "IMAGENET1K_V2"}, plan)

    assert pair.settings == ("model.weights",)
    found = differing({}, {"model.weights": "IMAGENET1K_V2"}, plans=[{}, plan])
    assert ("data.preprocess", ("resize 256", "resize 232"), "follows") in found


@pytest.mark.parametrize(
    ("steps", "weight"),
    [
        ([FLIP, JITTER], 1),
        ([JITTER], 1),
        ([], 1),
        ([FLIP, JITTER, ERASE], 2),
        ([JITTER, ERASE], 2),
        ([{"horizontal_flip": {"p": 0.9}}], 1),
    ],
)
def test_augmentations_count_as_those_that_were_added_or_put_for_others(steps, weight):
    assert counted({"data.augment": steps}).weight == weight


def test_a_parameter_of_an_augmentation_has_its_own_path():
    changed_p = {"data.augment": [{"horizontal_flip": {"p": 0.9}}]}

    (found,) = differing({}, changed_p)

    assert found == ("data.augment[0].horizontal_flip.p", ("0.5", "0.9"), "counts")


def test_what_changes_no_result_is_named_apart():
    other = {"outputs": [], "data.workers": 2, "train.checkpoint.keep": 5}

    found = differing({}, other)

    assert [(path, role) for path, _, role in found] == [
        ("data.workers", "idle"), ("train.checkpoint", "idle"), ("outputs", "idle")
    ]  # fmt: skip
    assert counted(other).is_repeat


def test_a_section_that_one_recipe_has_is_one_setting():
    ema = {"train.ema": {"decay": 0.999, "every": 32, "adjust": True}}

    (found,) = differing({}, ema)

    assert found == ("train.ema", ("–", "decay 0.999, every 32, adjust true"), "counts")


STAGES = {
    "train.epochs": None,
    "train.stages": [{"epochs": 2, "trains": ["head"]}, {"epochs": 3, "trains": ["all"]}],
}


def test_a_training_in_stages_beside_one_without_is_one_setting():
    shown = ("5 epochs all", "2 epochs head → 3 epochs all")

    assert differing({"train.epochs": 5}, STAGES) == [("train.stages", shown, "counts")]


def test_stages_that_take_longer_in_all_are_another_setting_too():
    found = differing({}, STAGES)

    assert [(path, shown) for path, shown, _ in found] == [
        ("train.epochs", ("3", "5")),
        ("train.stages", ("3 epochs all", "2 epochs head → 3 epochs all")),
    ]
    (pair,) = pairs.pairs(made("a"), [made("b", recipe=STAGES)])
    assert (pair.is_confounded, pair.weight) == (True, 2)


def test_what_all_stages_share_is_a_setting_beside_them():
    staged = {**STAGES, "train.optimizer": ADAMW}

    paths = [path for path, _, _ in differing({"train.epochs": 5}, staged)]

    assert paths == [
        "train.optimizer", "train.optimizer.lr", "train.optimizer.weight_decay", "train.stages"
    ]  # fmt: skip


def test_what_a_stage_says_beside_stands_with_it():
    stages = [
        {"epochs": 2, "trains": ["all"], "optimizer_state": "reset"},
        {"epochs": 1, "schedule": {"cosine": {"end": 0.1}}, "optimizer_state": "keep"},
    ]

    (found,) = differing({}, {"train.stages": stages})

    assert found[1][1] == (
        "2 epochs (schedule constant, optimizer_state reset) → "
        "1 epoch (schedule cosine (end 0.1), optimizer_state keep)"
    )


def test_stages_of_the_same_number_are_compared_one_by_one():
    other = {"train.stages": [{"epochs": 2, "trains": ["head"]}, {"epochs": 9, "trains": ["all"]}]}

    assert differing(STAGES, {**STAGES, **other}) == [
        ("train.stages[1].epochs", ("3", "9"), "counts")
    ]


def test_several_runs_have_the_settings_in_which_any_two_differ():
    found = differing({}, {"train.batch_size": 8}, {"train.epochs": 9})

    assert found == [
        ("train.epochs", ("3", "3", "9"), "counts"),
        ("train.batch_size", ("4", "8", "4"), "counts"),
    ]


def test_of_a_run_without_a_recipe_nothing_is_claimed():
    bare = made("epochs-only", recipe={}, plan={})
    bare = type(bare)(label="bare", told={"name": "bare"}, epochs=bare.epochs)
    runs = [made("a"), bare, made("b", recipe={"train.epochs": 9})]

    (found,) = settings.differing(runs)
    (first, _) = pairs.pairs(runs[0], runs[1:])

    assert found.shown == ("3", "?", "9")
    assert (first.is_known, first.is_repeat) == (False, False)


paths = st.sampled_from(
    ["train.epochs", "train.batch_size", "train.optimizer.sgd.lr", "train.trains", "model.head"]
)


@given(st.dictionaries(paths, st.integers(100, 200)))
def test_each_number_that_is_changed_is_found_and_no_other(changes):
    found = differing({}, changes)

    assert {path for path, _, _ in found} == changes.keys()
    assert counted(changes).weight == len(changes)
    assert changed({}, {}) == {}
