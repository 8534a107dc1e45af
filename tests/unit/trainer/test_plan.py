"""The plan: one place that decides, with all faults at once, and remembered."""

import errno
import os
from importlib import metadata
from pathlib import Path
from typing import Any

import PIL
import pytest
import torch
import torchvision

from fttrain import plan
from fttrain.artifacts import tensorboard
from fttrain.spec.faults import RecipeFaults
from fttrain.spec.images import Preprocess
from fttrain.spec.plan import Environment, Means, Plan, Split
from fttrain.spec.recipe import Recipe
from tests import engine
from tests.photos import make_photo_folder

SMALL = {"cnn": {"channels": [4, 8], "dropout": 0.2}}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("plan") / "photos"
    return make_photo_folder(root, per_class=9, val_per_class=3)


@pytest.fixture(scope="module")
def resnet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "resnet.pt"
    torch.save(torchvision.models.resnet18(num_classes=5).state_dict(), path)
    return path


def on_weights(photos: Path, resnet: Path, **train: Any) -> Recipe:
    return engine.photos(photos, {"name": "resnet18", "weights": f"file:{resnet}"}, **train)


# --- what it says ---------------------------------------------------------------------------


def test_a_plan_says_how_the_recipe_is_run(photos: Path, resnet: Path) -> None:
    recipe = on_weights(photos, resnet, epochs=3, accumulate=2, trains=["head", "block:layer4"])
    made = engine.planned(recipe)

    assert made.environment == Environment(
        torch=torch.__version__,
        torchvision=torchvision.__version__,
        python=made.environment.python,
        cpu_capability=torch.backends.cpu.get_cpu_capability(),
        pillow=PIL.__version__,
        timm=metadata.version("timm"),
    )
    assert (made.device, made.threads, made.precision) == ("cpu", 1, "fp32")
    assert (made.steps_per_epoch, made.steps, made.epochs) == (3, 9, 3)
    assert made.prefix == [
        "conv1", "bn1", "relu", "maxpool", "layer1[0]", "layer1[1]", "layer2[0]", "layer2[1]",
        "layer3[0]", "layer3[1]",
    ]  # fmt: skip
    assert (made.batch_norm_train, made.batch_norm_eval) == (5, 15)
    assert made.data.classes == ["circles", "squares"]
    assert made.data.train == Split(images=18, per_class=[9, 9])
    assert made.data.val == Split(images=6, per_class=[3, 3])
    assert (made.weights.path, made.weights.tensors_loaded) == (str(resnet), 120)
    assert (made.weights.tensors_new, made.weights.head) == (["fc.weight", "fc.bias"], "new")
    assert made.preprocess.origin == "recipe"
    (group,) = made.groups
    assert made.parameters_trained == group.parameters
    assert made.parameters == 11_177_538


def test_what_a_step_keeps_is_counted_by_autograd_over_what_trains(photos: Path) -> None:
    whole = engine.planned(engine.photos(photos, batch_size=4))
    double = engine.planned(engine.photos(photos, batch_size=8))
    head = engine.planned(engine.photos(photos, batch_size=4, trains="head"))

    # A linear head keeps its input alone: 4 rows of 8 features in single precision.
    assert head.activation_bytes == 4 * 8 * 4
    assert whole.activation_bytes > 4 * 3 * 32 * 32 * 4
    assert 1.9 < double.activation_bytes / whole.activation_bytes <= 2


def test_a_trailing_batch_of_one_is_merged_where_batch_norm_trains(photos: Path) -> None:
    trains_norms = engine.photos(photos, batch_size=17)
    trains_none = engine.photos(photos, batch_size=17, trains="head")
    assert engine.planned(trains_norms).steps_per_epoch == 1
    assert engine.planned(trains_none).steps_per_epoch == 2


def test_max_steps_shortens_the_plan(photos: Path) -> None:
    made = engine.planned(engine.photos(photos, epochs=9, max_steps=7))
    assert (made.steps_per_epoch, made.steps, made.epochs) == (5, 7, 2)


def test_threads_are_the_cores_except_for_tiny_images(photos: Path) -> None:
    assert plan.make(engine.photos(photos), references={}, means=Means(cpus=5)).threads == 5
    assert plan.make(engine.digits(), references={}, means=Means(cpus=5)).threads == 1


def test_digits_bring_their_own_preprocessing() -> None:
    made = engine.planned(engine.digits())
    assert made.preprocess.origin == "digits"
    assert made.loader_workers == 0


def test_known_weights_bring_theirs_and_another_is_noticed(photos: Path, shared: Path) -> None:
    file = shared / "weights" / "mobilenet_v2-b0353104.pth"
    model = {"name": "mobilenet_v2", "weights": f"file:{file}"}
    data = {"folder": {"path": str(photos)}}

    said = engine.parsed(data, model, {})
    stated = engine.parsed({**data, "preprocess": engine.FRAMED}, model, {})
    made, own = engine.planned(said), engine.planned(stated)

    assert made.preprocess.origin == "weights mobilenet_v2 IMAGENET1K_V1"
    assert made.preprocess.steps == Preprocess(
        resize=256, crop=224, mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225]
    )
    assert engine.notices(said) == []
    assert own.preprocess.origin == "recipe"
    assert engine.notices(stated) == [
        "data.preprocess is the recipe's, not that of weights mobilenet_v2 IMAGENET1K_V1: "
        "resize 256, crop 224, interpolation bilinear, mean [0.485, 0.456, 0.406], "
        "std [0.229, 0.224, 0.225]"
    ]


def test_a_new_head_that_does_not_train_is_noticed(photos: Path, resnet: Path) -> None:
    told = engine.notices(on_weights(photos, resnet, trains="last:1"))
    assert told == ["the head is new and does not train: it keeps its random values"]


# --- faults ---------------------------------------------------------------------------------


def test_all_faults_are_found_at_once(tmp_path: Path) -> None:
    recipe = engine.parsed(
        {"folder": {"path": f"{tmp_path}/nowhere"}},
        {"name": "resnet18", "weights": f"file:{tmp_path}/nothing.pt"},
        {"trains": ["head", "type:Norm"], "groups": [{"select": "heads"}]},
    )
    assert engine.refused(recipe) == {
        "data.folder.path": f"{tmp_path}/nowhere does not exist on this machine",
        "model.weights": f"{tmp_path}/nothing.pt cannot be read: No such file or directory",
        "train.trains[1]": "resnet18 has no `Norm` with parameters; there are: BasicBlock, "
        "BatchNorm2d, Conv2d, Linear, ResNet, Sequential",
    }


def test_faults_between_the_parts_are_found_at_once(photos: Path, resnet: Path) -> None:
    data = {
        "folder": {"path": str(photos)},
        "preprocess": {"resize": 20, "crop": 32, "mean": [0.5, 0.5], "std": [0.5]},
    }
    model = {"name": "resnet34", "weights": f"file:{resnet}", "head": "keep"}
    train = {"batch_size": 19, "warmup": {"epochs": 2}}
    found = engine.refused(engine.parsed(data, model, train))
    assert set(found) == {
        "model.head", "data.preprocess.crop", "data.preprocess.mean", "train.batch_size",
        "train.warmup.epochs",
    }  # fmt: skip
    assert found["train.batch_size"] == (
        "is 19, but there are 18 images to train on; use at most 18"
    )
    assert found["train.warmup.epochs"] == "takes 2 steps, all that the run has is 2"


def test_weights_of_another_net_are_a_short_fault(photos: Path, resnet: Path) -> None:
    model = {"name": "mobilenet_v2", "weights": f"file:{resnet}"}
    (field, message), *more = engine.refused(engine.photos(photos, model)).items()
    assert (field, more) == ("model.weights", [])
    assert message.startswith(f"`file:{resnet}` does not fit mobilenet_v2: 0 tensors match; 260 ")
    assert len(message) < 300 + len(str(resnet))


@pytest.mark.parametrize("weights", ["none", "IMAGENET1K_V1", "file:{resnet}"])
def test_a_mistyped_net_is_told_with_the_nearest(
    photos: Path, resnet: Path, tmp_path: Path, weights: str
) -> None:
    model = {"name": "mobilenetv2", "weights": weights.format(resnet=resnet)}
    recipe = engine.photos(photos, model)

    with pytest.raises(RecipeFaults) as refused:
        plan.memoised(recipe, references={}, means=Means(cpus=1), cache=tmp_path)

    assert [(fault.field, fault.description) for fault in refused.value.faults] == [
        ("model.name", "unknown net `mobilenetv2`; did you mean `mobilenet_v2`?")
    ]


def test_a_recipe_that_says_sizes_alone_takes_the_colours_of_the_weights(
    photos: Path, shared: Path
) -> None:
    weights = f"file:{shared / 'weights' / 'mobilenet_v2-b0353104.pth'}"
    data = {"folder": {"path": str(photos)}, "preprocess": {"resize": 40, "crop": 32}}

    made = engine.planned(engine.parsed(data, {"name": "mobilenet_v2", "weights": weights}, {}))

    assert made.preprocess.steps == Preprocess(
        resize=40, crop=32, mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225]
    )
    assert made.preprocess.origin == (
        "recipe, mean and std from weights mobilenet_v2 IMAGENET1K_V1"
    )


def test_sizes_alone_do_not_do_where_the_weights_bring_no_colours(photos: Path) -> None:
    data = {"folder": {"path": str(photos)}, "preprocess": {"resize": 40, "crop": 32}}

    assert engine.refused(engine.parsed(data, {"name": "resnet18"}, {})) == {
        "data.preprocess": "must be stated: `none` does not say how images are prepared; "
        "give mean and std"
    }


def test_mean_without_std_is_refused() -> None:
    with pytest.raises(RecipeFaults) as refused:
        engine.parsed({"digits": {}, "preprocess": {"mean": [0.5]}}, {"cnn": {}}, {})

    assert [(fault.field, fault.description) for fault in refused.value.faults] == [
        ("data.preprocess", "say both mean and std, or neither, for those of the weights")
    ]


def test_preprocessing_that_nobody_knows_must_be_stated(photos: Path, resnet: Path) -> None:
    data = {"folder": {"path": str(photos)}}
    model = {"name": "resnet18", "weights": f"file:{resnet}"}
    assert engine.refused(engine.parsed(data, model, {})) == {
        "data.preprocess": f"must be stated: `file:{resnet}` does not say how images are "
        "prepared; give mean and std, and resize and crop"
    }


def test_a_net_for_colour_does_not_take_grey_images() -> None:
    recipe = engine.parsed({"digits": {}}, {"name": "resnet18"}, {})
    assert engine.refused(recipe) == {
        "model.name": "resnet18 takes 3 channels, digits has 1; use a `cnn`"
    }


@pytest.mark.parametrize("change", ["random_crop", "random_resized_crop", "center_crop", "resize"])
def test_images_that_no_memory_holds_are_a_fault_and_never_made(change: str) -> None:
    with pytest.raises(RecipeFaults) as refused:
        engine.parsed({"digits": {}, "augment": [{change: {"size": 2_000_000}}]}, SMALL, {})

    assert [(fault.field, fault.description) for fault in refused.value.faults] == [
        (f"data.augment[0].{change}.size", "should be less than or equal to 8192, not 2000000")
    ]


def test_images_that_are_too_small_for_the_net_are_a_fault(photos: Path) -> None:
    deep = {"cnn": {"channels": [4] * 5, "pool": 5}}
    recipe = engine.parsed({"digits": {}}, deep, {})
    too_small = "pixels are too small for cnn; it takes 32 x 32 and more"
    assert engine.refused(recipe) == {"data": f"images of 8 x 8 {too_small}"}
    tiny_crops = engine.parsed(
        {
            "folder": {"path": str(photos)},
            "preprocess": engine.FRAMED,
            "augment": [{"random_resized_crop": {"size": 16}}],
        },
        deep,
        {},
    )
    assert engine.refused(tiny_crops) == {"data": f"images of 16 x 16 {too_small}"}


def test_a_batch_of_one_is_a_fault_where_batch_norm_trains(photos: Path) -> None:
    assert engine.refused(engine.photos(photos, batch_size=1)) == {
        "train.batch_size": "is 1, of which BatchNorm cannot take statistics; use at least 2, or "
        "train nothing of BatchNorm"
    }
    assert engine.planned(engine.photos(photos, batch_size=1, trains="head")).steps == 36


def test_a_batch_of_one_goes_through_norms_that_stay_however_small_the_images() -> None:
    data = {
        "fake": {"side": 32, "train": 4, "val": 2, "classes": 2},
        "preprocess": {"mean": [0.5], "std": [0.5]},
    }
    train = {"batch_size": 1, "trains": ["head"]}

    made = engine.planned(engine.parsed(data, {"name": "mobilenet_v2"}, train))

    assert (made.steps_per_epoch, made.batch_norm_train) == (4, 0)


def test_a_job_that_is_not_known_here_is_a_fault(photos: Path) -> None:
    recipe = engine.photos(photos, {**SMALL, "weights": "job:pretrain/best"})
    assert engine.refused(recipe) == {
        "model.weights": "no job is known here that `job:pretrain/best` could mean; use `file:PATH`"
    }


# --- memory ---------------------------------------------------------------------------------


def memoised(recipe: Recipe, cache: Path, cpus: int = 1) -> Plan:
    return plan.memoised(recipe, references={}, means=Means(cpus=cpus), cache=cache)


def test_a_plan_is_made_once_for_the_same_files(
    tmp_path: Path, photos: Path, resnet: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, cache = on_weights(photos, resnet), tmp_path / "cache"
    first = memoised(recipe, cache)
    (kept,) = cache.glob("*.json")
    written = kept.stat().st_mtime_ns

    with monkeypatch.context() as patched:
        patched.delattr(plan, "make")
        second = memoised(recipe, cache)

    assert second == first == engine.planned(recipe)
    assert [(p, p.stat().st_mtime_ns) for p in cache.glob("*.json")] == [(kept, written)]


def test_whatever_a_plan_depends_on_changes_its_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_photo_folder(tmp_path / "photos")
    weights, (first, second) = tmp_path / "w.pt", (engine.photos(root), engine.photos(root, seed=1))
    on_file = engine.photos(root, {**SMALL, "weights": f"file:{weights}"})
    job = engine.photos(root, {**SMALL, "weights": "job:a/best"})

    def digest(recipe: Recipe, cpus: int = 1, **references: str) -> str:
        return plan.digest_inputs(recipe, references=references, means=Means(cpus=cpus))

    digests = [digest(first), digest(second), digest(first, cpus=2), digest(on_file)]
    weights.write_bytes(b"x")
    digests.append(digest(on_file))
    os.utime(weights, (0, 0))
    digests.append(digest(on_file))
    digests.append(digest(job, **{"job:a/best": str(weights)}))
    digests.append(digest(job, **{"job:a/best": str(tmp_path / "other.pt")}))
    os.utime(root / "train" / "circles" / "000.jpg", (0, 0))
    digests.append(digest(first))
    monkeypatch.setattr(torchvision, "__version__", "9.9")
    digests.append(digest(first))
    monkeypatch.setattr(PIL, "__version__", "9.9")
    digests.append(digest(first))
    monkeypatch.setattr(metadata, "version", lambda package: f"{package} 9.9")
    digests.append(digest(first))
    told = first.model_copy(update={"outputs": ["tensorboard"]})
    digests.append(digest(told))
    monkeypatch.setattr(tensorboard, "is_installed", lambda: False)
    digests.append(digest(told))

    assert len(set(digests)) == len(digests)


def test_faults_are_not_remembered(tmp_path: Path) -> None:
    root, cache = tmp_path / "photos", tmp_path / "cache"
    recipe = engine.photos(root)
    assert "data.folder.path" in engine.refused(recipe)
    make_photo_folder(root)
    assert memoised(recipe, cache) == memoised(recipe, cache)


def test_a_file_that_is_denied_for_a_while_is_not_remembered_as_bad(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, cache = make_photo_folder(tmp_path / "photos"), tmp_path / "cache"
    shut = root / "train" / "circles" / "000.jpg"
    recipe = engine.photos(root)
    recipe = recipe.model_copy(update={"data": recipe.data.model_copy(update={"max_bad": 1})})
    plain = Path.open

    def denied(path: Path, *args: Any, **options: Any) -> Any:
        if path == shut:
            raise PermissionError(errno.EACCES, "Permission denied")
        return plain(path, *args, **options)

    with monkeypatch.context() as shutting:
        shutting.setattr(Path, "open", denied)
        assert memoised(recipe, cache).data.bad == {
            "train/circles/000.jpg": "cannot be read: Permission denied"
        }

    assert memoised(recipe, cache).data.bad == {}


def test_a_damaged_memory_is_made_anew(tmp_path: Path, photos: Path) -> None:
    recipe, cache = engine.photos(photos), tmp_path / "cache"
    first = memoised(recipe, cache)
    (kept,) = cache.glob("*.json")
    kept.write_text("{")
    assert memoised(recipe, cache) == first
    assert Plan.model_validate_json(kept.read_text()) == first
