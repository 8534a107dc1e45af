"""Every job file under examples/, run small: what is changed of each, and on what it runs."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ftctl import JobFile
from fttrain.artifacts import export
from fttrain.artifacts.export import ModelCard, Origin
from fttrain.environment import now
from fttrain.events import Score
from fttrain.models import build
from fttrain.spec import basing, network, recipe
from fttrain.spec.images import Preprocess
from tests import published
from tests.conftest import CHECKOUT
from tests.photos import make_photo_folder

FOLDER = CHECKOUT / "examples"
SIDE = 64
# A run changes data path, weights, length, batch size and image size; nothing else of a recipe.
ALLOWED = re.compile(
    r"data\.(folder|torchvision|cub200)\.path|model\.weights"
    r"|train\.(stages\[\d+\]\.)?(epochs|max_steps|batch_size)"
    r"|data\.preprocess\.(resize|crop)|(data|train\.stages\[\d+\])\.augment\[\d+\]\.\w+\.size"
)
_CLASSES = ("a", "b")
_IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
_SCORE = Score(
    loss=1.0, accuracy=0.5, correct=1, count=2, accuracy_low=0.1, accuracy_high=0.9,
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """Where tiny images and random weights lie."""

    root: Path

    def pushed(self) -> dict[str, Path]:
        """Return the data sets that job files name, and the folders to push as them."""
        return {
            "ants-bees": self._photos("ants-bees"),
            "cars": self._photos("cars"),
            "cifar": self._photos("cifar", val="test"),
            "flowers5": self._photos("flowers5") / "train",
        }

    def paths(self, data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Yield what to change of a recipe's `data`, so that it is found."""
        match data:
            case {"folder": {"split": _}}:
                yield "data.folder.path", str(self._photos("folder", per_class=8) / "train")
            case {"folder": _}:
                yield "data.folder.path", str(self._photos("folder", per_class=8))
            case {"torchvision": {"name": name}}:
                yield "data.torchvision.path", str(self._once(f"{name}", _MAKERS[name]))
            case {"cub200": _}:
                yield "data.cub200.path", str(self._once("cub200", published.make_cub200))

    def weights(self, name: str) -> Path:
        """Return random weights of a net, in a file that says how its images are prepared."""
        path = self.root / f"{name}.safetensors"
        if not path.exists():
            model = network.Model(name=name)
            net = build.fresh(model, classes=len(_CLASSES), channels=3, seed=0)
            export.write_model(path, net.module.state_dict(), _card(model))
        return path

    def _photos(self, name: str, *, val: str = "val", per_class: int = 36) -> Path:
        """Make as many photos as the largest batch of a file that names a data set, and more."""

        def make(root: Path) -> Path:
            size = (SIDE, SIDE)
            make_photo_folder(root, _CLASSES, per_class=per_class, size=size, val_per_class=4)
            return root if val == "val" else _renamed(root, val)

        return self._once(name, make)

    def _once(self, name: str, make: Any) -> Path:
        root = self.root / name
        return root if root.exists() else make(root)


def files() -> list[Path]:
    """Return every job file under examples/."""
    return sorted(FOLDER.rglob("*.yaml"))


def in_order(found: Iterable[tuple[Path, tuple[str, ...], str]]) -> list[Path]:
    """Return files of one folder, given with what they come after and their names, in order."""
    left = {name: (path, after) for path, after, name in found}
    order: list[Path] = []
    while left:
        ready = [name for name, (_, after) in left.items() if not left.keys() & set(after)]
        assert ready, f"these wait for each other: {sorted(left)}"
        order += [left.pop(name)[0] for name in ready]
    return order


def smaller(body: Mapping[str, Any], material: Material) -> dict[str, Any]:
    """Return the overrides that let a recipe run in seconds."""
    data, model, train = body["data"], body["model"], body["train"]
    changes: dict[str, Any] = dict(material.paths(data))
    if "digits" not in data:
        changes |= {"data.preprocess.resize": SIDE, "data.preprocess.crop": SIDE}
        changes |= _smaller_crops(data.get("augment", []), "data.augment")
    if model.get("weights", "none").isupper():
        changes["model.weights"] = f"file:{material.weights(model['name'])}"
    return {**changes, **_shorter(train)}


def _shorter(train: Mapping[str, Any]) -> dict[str, int]:
    """Return what makes a course short: a warm-up, or an end by patience, has to fit in it."""
    if "stages" in train:
        places = [f"train.stages[{index}].epochs" for index in range(len(train["stages"]))]
        return {**dict.fromkeys(places, 1), "train.batch_size": 4}
    if "warmup" in train or "early_stopping" in train:
        return {"train.batch_size": 4, "train.max_steps": 2}
    # A run that goes on from another has to be longer.
    return {"train.batch_size": 8, "train.epochs": 2 if "continue" in train else 1}


def missing(path: Path) -> dict[str, str]:
    """Return the fields of a file whose data, weights and jobs are not there, and their names."""
    request, body = JobFile.read(path).request, _resolved(path)
    if request.after:
        field = "train.continue" if "continue" in body["train"] else "model.weights"
        return {"after[0]": request.after[0], field: request.after[0]}
    match body["data"]:
        case {"dataset": {"name": name}}:
            # It is refused at once; only a plan asks for the weights.
            return {"data.dataset.name": name}
        case {"digits": _}:
            return {}
        case data:
            (kind,) = data.keys() & {"folder", "torchvision", "cub200"}
            return {f"data.{kind}.path": data[kind]["path"], **missing_weights(path)}


def missing_weights(path: Path) -> dict[str, str]:
    """Return the field of a file that names published weights, and the net."""
    model = _resolved(path)["model"]
    is_published = model.get("weights", "none").isupper()
    return {"model.weights": f"/{model['name']}-"} if is_published else {}


def _resolved(path: Path) -> Any:
    """Return the recipe of a file, merged over the one that it is based on."""
    told = basing.resolve(JobFile.read(path).request.recipe_json)
    return json.loads(recipe.canonical(told.recipe))


def leaves(value: Any, path: str = "") -> dict[str, Any]:
    """Return every value within a recipe by its path."""
    if isinstance(value, dict) and value:
        parts = [(f"{path}.{key}".lstrip("."), each) for key, each in value.items()]
    elif isinstance(value, list | tuple) and value:
        parts = [(f"{path}[{index}]", each) for index, each in enumerate(value)]
    else:
        return {path: value}
    return {name: leaf for at, each in parts for name, leaf in leaves(each, at).items()}


def _smaller_crops(augment: Iterable[Any], place: str) -> dict[str, Any]:
    """Return a whole list in place of one: a file may have it from the recipe it is based on."""
    changed = [
        {kind: {**options, "size": SIDE} if "size" in options else options}
        for one in augment
        for kind, options in one.items()
    ]
    return {place: changed} if changed else {}


def _renamed(root: Path, val: str) -> Path:
    (root / "val").rename(root / val)
    return root


def _make_imagenet(root: Path) -> Path:
    return make_photo_folder(root, ("n01440764", "n01443537"), per_class=16, size=(SIDE, SIDE))


def _card(model: network.Model) -> ModelCard:
    body = {
        "data": {"fake": {"classes": len(_CLASSES)}},
        "model": {"name": model.name},
        "train": {"epochs": 1, "batch_size": 1, "optimizer": {"sgd": {"lr": 1.0}}},
    }
    return ModelCard(
        classes=_CLASSES, channels=3, model=model, environment=now(""),
        preprocess=Preprocess.model_validate({"resize": 256, "crop": 224, **_IMAGENET}),
        recipe=recipe.Recipe.model_validate(body),
        origin=Origin(job_id="0" * 32, job_name="random", epoch=1, val=_SCORE),
    )  # fmt: skip


_MAKERS = {
    "CIFAR10": published.make_cifar10, "CIFAR100": published.make_cifar100,
    "Food101": published.make_food101, "StanfordCars": published.make_stanford_cars,
    "ImageNet": _make_imagenet,
}  # fmt: skip
