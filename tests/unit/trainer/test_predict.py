"""Predictions are what plain torch makes of the exported file, over any batch size."""

import json
from pathlib import Path

import pytest
import torch
import torchvision
import torchvision.transforms as T
from PIL import Image
from safetensors import safe_open

from fttrain import predict as engine
from fttrain.artifacts.export import BadModel, ModelCard, Origin, write_model
from fttrain.data.decode import BadImage
from fttrain.events import Score
from fttrain.models import build
from fttrain.predict import NoModel, Prediction, predict
from fttrain.spec.images import Data, Digits, Folder, Preprocess
from fttrain.spec.network import Model
from fttrain.spec.plan import Environment
from fttrain.spec.recipe import Recipe
from tests.photos import make_photo_folder, photo

CLASSES = ("circles", "squares", "stars")
FRAMED = Preprocess(resize=40, crop=32, mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])


def card(model: Model, *, data: Data, preprocess: Preprocess, channels: int) -> ModelCard:
    train = {"epochs": 1, "batch_size": 4, "optimizer": {"sgd": {"lr": 0.1}}}
    recipe = Recipe.model_validate_json(
        json.dumps({
            "data": data.model_dump(mode="json", exclude_none=True),
            "model": model.model_dump(mode="json", exclude_none=True),
            "train": train,
        })
    )  # fmt: skip
    return ModelCard(
        classes=CLASSES,
        channels=channels,
        preprocess=preprocess,
        model=recipe.model,
        recipe=recipe,
        environment=Environment(torch="2", torchvision="0", python="3", cpu_capability="-"),
        origin=Origin(job_id="", job_name="", epoch=1, val=NOTHING),
    )


NOTHING = Score(loss=1, accuracy=0, correct=0, count=1, accuracy_low=0, accuracy_high=1)


def export(path: Path, model: Model, *, preprocess: Preprocess = FRAMED, channels: int = 3) -> Path:
    data = Data(folder=Folder(path="/x")) if channels == 3 else Data(digits=Digits())
    net = build.fresh(model, classes=len(CLASSES), channels=channels, seed=1).module
    with torch.no_grad():  # Statistics and a head that tell images apart, unlike fresh ones.
        for name, tensor in net.state_dict().items():
            if tensor.is_floating_point() and tensor.ndim == 1 and not name.endswith("var"):
                tensor.add_(torch.linspace(-0.3, 0.3, len(tensor)))
    path.parent.mkdir(parents=True, exist_ok=True)
    stated = card(model, data=data, preprocess=preprocess, channels=channels)
    write_model(path, net.state_dict(), stated)
    return path


@pytest.fixture(scope="module")
def resnet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("run") / "artifacts" / "model.safetensors"
    return export(place, Model(name="resnet18"))


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    root = make_photo_folder(tmp_path_factory.mktemp("p") / "photos", CLASSES, per_class=3)
    return sorted((root / "val").glob("*/*.jpg"))


def plainly(file: Path, images: list[Path]) -> list[tuple[float, ...]]:
    """Predict as anyone can who has torch and the file alone."""
    with safe_open(file, "pt") as opened:
        meta = {k: json.loads(v) for k, v in opened.metadata().items() if k != "format"}
        state = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    net = getattr(torchvision.models, meta["model"]["name"])(num_classes=len(meta["classes"]))
    net.load_state_dict(state)
    net.eval()
    p = meta["preprocess"]
    steps = [T.Resize(p["resize"]), T.CenterCrop(p["crop"]), T.ToTensor()]
    see = T.Compose([*steps, T.Normalize(p["mean"], p["std"])])
    batch = torch.stack([see(Image.open(path).convert("RGB")) for path in images])
    with torch.inference_mode():
        return [tuple(row) for row in net(batch).softmax(1).tolist()]


def test_predictions_are_those_of_plain_torch(resnet: Path, photos: list[Path]) -> None:
    made = list(predict(resnet, photos, batch_size=len(photos)))

    expected = plainly(resnet, photos)
    assert [p.path for p in made] == photos
    assert [p.scores for p in made] == [pytest.approx(row, abs=1e-6) for row in expected]
    for prediction in made:
        assert prediction.probability == max(prediction.scores)
        assert prediction.label == CLASSES[prediction.scores.index(prediction.probability)]
        assert sum(prediction.scores) == pytest.approx(1)
    assert len({p.scores for p in made}) == len(made)


@pytest.mark.parametrize("batch_size", [1, 2, 4])
def test_the_batch_size_does_not_matter(resnet: Path, photos: list[Path], batch_size: int) -> None:
    whole = list(predict(resnet, photos, batch_size=len(photos)))

    made = list(predict(resnet, photos, batch_size=batch_size))

    assert [(p.path, p.label) for p in made] == [(p.path, p.label) for p in whole]
    assert [p.scores for p in made] == [pytest.approx(p.scores, abs=1e-5) for p in whole]


def test_large_images_go_in_smaller_batches(
    resnet: Path, photos: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = list(predict(resnet, photos, batch_size=1))
    monkeypatch.setattr(engine, "MOST_PIXEL_BYTES", 1)

    assert list(predict(resnet, photos, batch_size=len(photos))) == alone


def test_the_model_is_found_by_run_by_folder_and_by_file(resnet: Path, photos: list[Path]) -> None:
    by_file = list(predict(resnet, photos[:1], batch_size=1))

    assert list(predict(resnet.parent, photos[:1], batch_size=1)) == by_file
    assert list(predict(resnet.parent.parent, photos[:1], batch_size=1)) == by_file


def test_images_are_read_only_when_their_prediction_is_wanted(
    resnet: Path, photos: list[Path]
) -> None:
    endless = (photos[number % 3] for number in iter(int, 1))

    assert isinstance(next(predict(resnet, endless, batch_size=2)), Prediction)


def test_a_one_channel_model_takes_grey_and_coloured_files_of_any_size(tmp_path: Path) -> None:
    plain = Preprocess(mean=[0.5], std=[0.5])
    model = Model.model_validate({"cnn": {"channels": [4], "pool": 1}})
    file = export(tmp_path / "m.safetensors", model, preprocess=plain, channels=1)
    grey, same, larger = (tmp_path / f"{name}.png" for name in ("grey", "same", "larger"))
    digit = photo(0, (8, 8), seed="x").convert("L")
    digit.save(grey)
    digit.convert("RGB").save(same)
    digit.resize((12, 12)).save(larger)

    made = list(predict(file, [grey, larger, same], batch_size=8))

    assert [p.path for p in made] == [grey, larger, same]
    assert made[0].scores == made[2].scores
    assert made[0].scores != made[1].scores


def test_no_images_have_no_predictions(resnet: Path) -> None:
    assert list(predict(resnet, [], batch_size=4)) == []


# --- faults -----------------------------------------------------------------------------------


def test_a_place_that_is_not_there_is_named(tmp_path: Path, photos: list[Path]) -> None:
    with pytest.raises(NoModel) as caught:
        list(predict(tmp_path / "x", photos, batch_size=4))

    assert str(caught.value) == f"there is no file or folder {tmp_path / 'x'}"


def test_a_folder_without_a_model_is_named(tmp_path: Path, photos: list[Path]) -> None:
    with pytest.raises(NoModel) as caught:
        list(predict(tmp_path, photos, batch_size=4))

    assert str(caught.value) == (
        f"{tmp_path} has neither artifacts/model.safetensors nor model.safetensors; "
        "a run leaves its model there when it is complete"
    )


def test_a_file_that_is_no_model_is_named(photos: list[Path]) -> None:
    with pytest.raises(BadModel) as caught:
        list(predict(photos[0], photos, batch_size=4))

    assert str(caught.value).startswith(f"{photos[0]} is no whole safetensors file: ")


def test_an_image_that_cannot_be_read_is_named_after_all_before_it(
    resnet: Path, photos: list[Path], tmp_path: Path
) -> None:
    bad = tmp_path / "bad.jpg"
    bad.write_text("no image")
    made = []

    def collect() -> None:
        for prediction in predict(resnet, [*photos[:3], bad, photos[3]], batch_size=2):
            made.append(prediction.path)  # noqa: PERF401 - what came before the error counts

    with pytest.raises(BadImage) as caught:
        collect()

    assert str(caught.value) == f"{bad} is no image of a known kind: it begins with b'no image'"
    assert made == photos[:3]
