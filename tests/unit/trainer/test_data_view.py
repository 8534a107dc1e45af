"""What evaluation sees is what torchvision's transforms on PIL would show, bit for bit."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision.transforms as T
from PIL import Image

from fttrain.data import decode, view
from fttrain.data.view import EvalView, TrainView, check_geometry, normalise
from fttrain.spec.augmentation import Augmentation, HorizontalFlip, RandomResizedCrop
from fttrain.spec.faults import Fault
from fttrain.spec.images import Data, Digits, Folder, Preprocess

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
INTERPOLATION = {
    "bilinear": T.InterpolationMode.BILINEAR,
    "bicubic": T.InterpolationMode.BICUBIC,
}


def preprocess(**steps: object) -> Preprocess:
    return Preprocess.model_validate({"mean": MEAN, "std": STD, **steps})


def noise(width: int, height: int, channels: int = 3) -> np.ndarray:
    pixels = np.random.default_rng(width * height).integers(0, 256, (height, width, channels))
    return pixels.astype(np.uint8)


def theirs(image: np.ndarray, steps: Sequence[object]) -> torch.Tensor:
    return T.Compose([*steps, T.PILToTensor()])(Image.fromarray(image))


SIZES = [(500, 375), (375, 500), (64, 64), (33, 97), (1200, 31), (256, 256), (257, 256), (5, 7)]


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("size", SIZES)
def test_resize_and_crop_equal_torchvisions(size: tuple[int, int], interpolation: str) -> None:
    image = noise(*size)

    ours = EvalView(preprocess(resize=256, crop=224, interpolation=interpolation))(image)

    steps = [T.Resize(256, INTERPOLATION[interpolation]), T.CenterCrop(224)]
    assert torch.equal(ours, theirs(image, steps))


@pytest.mark.parametrize("crop", [1, 32, 33, 40, 97, 120])
@pytest.mark.parametrize("size", [(33, 97), (98, 34), (40, 40)])
def test_crop_alone_equals_torchvisions_also_where_it_pads(
    size: tuple[int, int], crop: int
) -> None:
    image = noise(*size)

    ours = EvalView(preprocess(crop=crop))(image)

    assert torch.equal(ours, theirs(image, [T.CenterCrop(crop)]))


def test_real_photos_are_seen_as_the_weights_own_transforms_see_them(hymenoptera: Path) -> None:
    from torchvision.models import MobileNet_V2_Weights

    their_transforms = MobileNet_V2_Weights.IMAGENET1K_V1.transforms()
    stated = preprocess(resize=256, crop=224)

    for path in sorted((hymenoptera / "val").glob("*/*.jpg"))[::10]:
        ours = normalise(EvalView(stated)(decode.decode(path))[None], stated)[0]
        assert torch.equal(ours, their_transforms(Image.open(path).convert("RGB"))), path


def test_a_picture_and_its_pixels_are_seen_alike(hymenoptera: Path) -> None:
    path = hymenoptera / "val" / "ants" / "10308379_1b6c72e180.jpg"
    seen = EvalView(preprocess(resize=64, crop=56))

    assert torch.equal(seen(decode.decode(path)), seen(decode.picture(path)))


def test_images_without_a_step_pass_through() -> None:
    image = noise(8, 8, channels=1)

    seen = EvalView(Preprocess(mean=[0.5], std=[0.5]))(image, epoch=3, index=9)

    assert seen.dtype == torch.uint8
    assert seen.shape == (1, 8, 8)
    np.testing.assert_array_equal(seen.numpy()[0], image[..., 0])


def test_grey_images_can_be_resized() -> None:
    image = noise(8, 8, channels=1)

    seen = EvalView(Preprocess(resize=16, crop=16, mean=[0.5], std=[0.5]))(image)

    assert torch.equal(seen, theirs(image[..., 0], [T.Resize(16)]))


def test_normalising_a_batch_equals_torchvisions_on_each_image() -> None:
    images = [noise(31, 17) for _ in range(3)]
    ramp = np.broadcast_to(np.arange(256, dtype=np.uint8)[None, :, None], (3, 256, 3)).copy()

    for batch in (images, [ramp]):
        stacked = torch.from_numpy(np.stack(batch)).permute(0, 3, 1, 2).contiguous()
        their_steps = T.Compose([T.ToTensor(), T.Normalize(MEAN, STD)])
        expected = torch.stack([their_steps(image) for image in batch])
        ours = normalise(stacked, preprocess())
        assert ours.dtype == torch.float32
        assert torch.equal(ours, expected)


def test_normalising_leaves_the_batch_as_it_was() -> None:
    batch = torch.full((1, 3, 2, 2), 7, dtype=torch.uint8)

    normalise(batch, preprocess())

    assert batch.unique().tolist() == [7]


def test_one_mean_serves_all_channels() -> None:
    batch = torch.full((2, 3, 4, 4), 255, dtype=torch.uint8)

    seen = normalise(batch, Preprocess(mean=[0.5], std=[0.5]))

    assert seen.unique().tolist() == [1.0]


CROP_112 = Augmentation(random_resized_crop=RandomResizedCrop(size=112))


@pytest.mark.parametrize(
    ("stated", "augment", "side"),
    [
        (preprocess(resize=256, crop=224), [], 224),
        (preprocess(resize=256, crop=224), [CROP_112], 112),
        (preprocess(), [], None),
    ],
)
def test_the_side_of_what_is_seen_is_known_ahead(
    stated: Preprocess, augment: list[Augmentation], side: int | None
) -> None:
    assert view.side(stated, augment) == side
    seen = TrainView(stated, augment, seed=0)(noise(300, 260), epoch=1, index=0)
    assert list(seen.shape[1:]) == ([260, 300] if side is None else [side, side])


# --- geometry ---------------------------------------------------------------------------------

PHOTOS = Folder(path="/data/x")


def geometry(stated: Preprocess, *augment: Augmentation, digits: bool = False) -> dict[str, str]:
    source = {"digits": Digits()} if digits else {"folder": PHOTOS}
    faults: list[Fault] = check_geometry(Data(augment=list(augment), **source), stated)
    return {fault.field: fault.description for fault in faults}


def test_photos_that_come_out_in_one_size_are_right() -> None:
    assert geometry(preprocess(resize=256, crop=224)) == {}
    assert geometry(preprocess(crop=32), CROP_112) == {}
    assert geometry(Preprocess(mean=[0.5], std=[0.5]), digits=True) == {}


@pytest.mark.parametrize("steps", [{}, {"resize": 256}])
def test_photos_of_different_sizes_are_a_fault(steps: dict[str, int]) -> None:
    expected = {
        "data.preprocess.crop": "is missing: images of different sizes cannot form a batch; "
        "say the side of the centre crop (and of `resize` before it)"
    }

    assert geometry(preprocess(**steps)) == expected
    assert geometry(preprocess(**steps), CROP_112) == expected


def test_a_crop_larger_than_the_resized_image_is_a_fault() -> None:
    assert geometry(preprocess(resize=224, crop=256)) == {
        "data.preprocess.crop": "is 256, more than the 224 that `resize` leaves"
    }


def test_means_for_other_channels_are_faults() -> None:
    assert geometry(preprocess(), digits=True) == {
        "data.preprocess.mean": "has 3 values for images of 1 channel",
        "data.preprocess.std": "has 3 values for images of 1 channel",
    }
    assert geometry(Preprocess(crop=8, mean=[0.5, 0.5], std=[1.0])) == {
        "data.preprocess.mean": "has 2 values for images of 3 channels"
    }


def test_a_range_that_ends_before_it_begins_is_a_fault() -> None:
    flip = Augmentation(horizontal_flip=HorizontalFlip())
    crop = RandomResizedCrop(size=8, scale=(1.0, 0.5), ratio=(2.0, 1.0))

    assert geometry(preprocess(crop=8), flip, Augmentation(random_resized_crop=crop)) == {
        "data.augment[1].random_resized_crop.scale": "is [1.0, 0.5]: the least comes first",
        "data.augment[1].random_resized_crop.ratio": "is [2.0, 1.0]: the least comes first",
    }
