"""What a recipe says of pixels: decoding, preprocessing, and what may be unreadable."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

from fttrain.data import audit, sources
from fttrain.data.stream import Stream, Task
from fttrain.data.view import EvalView, normalise
from fttrain.spec.faults import RecipeFaults
from fttrain.spec.images import Data, Preprocess
from tests import engine
from tests.photos import make_photo_folder


def data(root: Path, **more: Any) -> Data:
    return Data.model_validate_json(json.dumps({"folder": {"path": str(root)}, **more}))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_photo_folder(tmp_path / "photos", ("a", "b"), per_class=4)


@pytest.mark.word("data.max_pixels")
def test_images_with_more_pixels_count_as_unreadable(root: Path) -> None:
    Image.new("RGB", (100, 81)).save(root / "val" / "b" / "large.png")

    def found(most: int) -> dict[str, str]:
        chosen = data(root, max_pixels=most, max_bad=1)
        return audit.look(sources.load(chosen), chosen).bad

    assert found(8100) == {}
    assert found(8099) == {
        "val/b/large.png": "has 0.0081 megapixels (100 x 81), over the limit of 0.008099; "
        "scale it down"
    }


@pytest.mark.word("data.background")
def test_transparent_pixels_are_laid_over_the_background(root: Path) -> None:
    chance = np.random.default_rng(0)
    pixels = chance.integers(0, 256, (9, 9, 4), np.uint8)
    Image.fromarray(pixels).save(root / "train" / "a" / "000.png")
    (root / "train" / "a" / "000.jpg").unlink()

    seen = sources.load(data(root, background=[10, 200, 90])).train.image(0)

    alpha = pixels[..., 3:] / 255
    expected = pixels[..., :3] * alpha + np.array([10, 200, 90]) * (1 - alpha)
    np.testing.assert_allclose(seen, expected, atol=1)


@pytest.mark.word("data.decode_min_side")
@pytest.mark.parametrize(("least", "part"), [(None, 1), (61, 1), (60, 2), (31, 2), (30, 4), (8, 8)])
def test_a_jpeg_is_decoded_at_the_smallest_part_that_is_large_enough(
    root: Path, least: int | None, part: int
) -> None:
    steps = np.linspace(0, 255, 160).astype(np.uint8)
    photo = Image.fromarray(np.stack([np.tile(steps, (120, 1))] * 3, axis=-1))
    photo.save(root / "train" / "a" / "000.jpg", quality=100)
    Image.new("RGB", (160, 120)).save(root / "train" / "a" / "001.jpg", format="PNG")

    samples = sources.load(data(root, decode_min_side=least)).train
    seen = samples.image(0)

    assert seen.shape == (120 // part, 160 // part, 3)
    means = np.asarray(photo)[:, :, 0].reshape(120 // part, part, 160 // part, part).mean((1, 3))
    np.testing.assert_allclose(seen[..., 0], means, atol=2)
    assert samples.image(1).shape == (120, 160, 3)


@pytest.mark.parametrize(
    ("size", "least", "shape"),
    [
        ((123, 165), 15, (21, 16, 3)),
        ((1023, 1201), 127, (151, 128, 3)),
        ((90, 31), 16, (31, 90, 3)),
    ],
)
def test_sides_that_are_no_multiples_are_rounded_up(
    root: Path, size: tuple[int, int], least: int, shape: tuple[int, int, int]
) -> None:
    Image.new("RGB", size).save(root / "train" / "a" / "000.jpg")

    seen = sources.load(data(root, decode_min_side=least)).train.image(0)

    assert seen.shape == shape


@pytest.mark.word("data.max_bad")
@pytest.mark.parametrize(
    ("most", "bad", "fails"),
    [
        ("1%", 2, False), ("1%", 3, True), ("1.5%", 3, False), (2, 2, False), (2, 3, True),
        (0, 1, True), ("0%", 1, True), ("100%", 3, False),
    ],
)  # fmt: skip
def test_so_many_or_so_large_a_share_may_be_bad(
    tmp_path: Path, most: int | str, bad: int, fails: bool
) -> None:
    root = make_photo_folder(tmp_path / "p", ("a", "b"), per_class=50, size=(8, 8))
    for number in range(bad):
        (root / "train" / "a" / f"{number:03d}.jpg").write_bytes(b"")
    chosen = data(root, max_bad=most)

    if fails:
        with pytest.raises(RecipeFaults, match=f"data.max_bad: is {most}, but {bad} of 200 images"):
            audit.look(sources.load(chosen), chosen)
    else:
        assert len(audit.look(sources.load(chosen), chosen).bad) == bad


@pytest.mark.word("data.preprocess", "data.preprocess.resize", "data.preprocess.crop")
@pytest.mark.word("data.preprocess.interpolation", "data.preprocess.mean", "data.preprocess.std")
@pytest.mark.parametrize("size", [(96, 61), (33, 80), (20, 20)])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_preprocessing_is_that_of_torchvision(size: tuple[int, int], interpolation: str) -> None:
    width, height = size
    pixels = np.random.default_rng(3).integers(0, 256, (height, width, 3), np.uint8)
    steps = Preprocess.model_validate_json(
        json.dumps({
            "resize": 40, "crop": 32, "interpolation": interpolation,
            "mean": [0.4, 0.5, 0.6], "std": [0.2, 0.25, 0.3],
        })
    )  # fmt: skip

    seen = normalise(EvalView(steps)(Image.fromarray(pixels)).unsqueeze(0), steps)

    theirs = v2.Compose([
        v2.Resize(40, interpolation=v2.InterpolationMode(interpolation)),
        v2.CenterCrop(32),
        v2.PILToTensor(),
        v2.ToDtype(torch.float32, scale=True),
        v2.Normalize([0.4, 0.5, 0.6], [0.2, 0.25, 0.3]),
    ])  # fmt: skip
    torch.testing.assert_close(seen[0], theirs(Image.fromarray(pixels)), atol=1e-6, rtol=0)


@pytest.mark.word("data.workers")
def test_loader_processes_are_as_many_as_said_and_change_nothing(root: Path) -> None:
    recipe = engine.photos(root)
    views = EvalView(Preprocess(resize=36, crop=32, mean=[0.5], std=[0.5]))
    made = []
    for workers in (0, 3):
        chosen = recipe.model_copy(
            update={"data": recipe.data.model_copy(update={"workers": workers})}
        )
        assert engine.planned(chosen).loader_workers == workers
        samples = sources.load(chosen.data).train
        with Stream(samples, views, workers) as stream:
            tasks = [Task(1, np.array([i, i + 1])) for i in range(6)]
            made.append(torch.cat([batch.images for batch in stream.run(tasks)]))

    assert torch.equal(*made)
