"""Images that are changed many at once are, bit for bit, those that are changed one at a time."""

from typing import Any

import numpy as np
import pytest

from fttrain.data.chance import Draws, ManyDraws
from fttrain.data.samples import Arrays
from fttrain.data.sparing import Sparing
from fttrain.data.stream import Stream, Task
from fttrain.data.view import EvalView, StagedView, TrainView
from fttrain.spec.augmentation import Augmentation
from fttrain.spec.images import Preprocess

PLAIN = Preprocess(mean=[0.5], std=[0.5])
INDICES = np.array([3, 0, 0, 9, 2, 2, 7, 3])
REPEATS = np.array([0, 0, 1, 0, 0, 1, 0, 1])


def arrays(*shape: int) -> Arrays:
    pixels = np.random.default_rng(1).integers(0, 256, (10, *shape), np.uint8)
    numbers = np.arange(10)
    return Arrays(pixels=pixels, labels=numbers % 2, origins=numbers, what="number")


def view(*augment: Any, **said: Any) -> TrainView:
    return TrainView(PLAIN, [Augmentation.model_validate(each) for each in augment], 7, **said)


@pytest.mark.parametrize("length", [1, 5])
def test_many_keys_give_what_each_gives(length: int) -> None:
    keys = np.random.default_rng(0).integers(0, 2**64, (40, length), np.uint64)
    many = ManyDraws(keys)
    each = [Draws(*key) for key in keys.tolist()]

    limits = 1, 9, 10**6, 2**31
    for limit in limits * 3:  # More than one digest has.
        assert many.uniform(-1.0, 3.0).tolist() == [draws.uniform(-1.0, 3.0) for draws in each]
        assert many.below(limit).tolist() == [draws.below(limit) for draws in each]
    some = np.array([2, 39, 5])
    assert many.chosen(some).uniform().tolist() == [each[place].uniform() for place in some]


CROP = {"random_crop": {"size": 12, "padding": 3}}


@pytest.mark.parametrize("shape", [(12, 12, 3), (16, 10, 3), (8, 8, 1)])
@pytest.mark.parametrize(
    "changes",
    [
        view("horizontal_flip"),
        view("horizontal_flip", "vertical_flip", {"horizontal_flip": {"p": 0.2}}),
        view({"vertical_flip": {"p": 1.0}}, "horizontal_flip", {"vertical_flip": {"p": 1.0}}),
        view(CROP, "horizontal_flip"),
        view("horizontal_flip", {"random_crop": {"size": 9}}),
        view({"random_crop": {**CROP["random_crop"], "fill": 77.9}}),
        *(
            view({"random_crop": {**CROP["random_crop"], "padding_mode": mode}})
            for mode in ("edge", "reflect", "symmetric")
        ),
        view({"random_crop": {**CROP["random_crop"], "p": 0.5}}, CROP),
        view({"random_crop": {"size": 9, "padding": 3}}, {"random_crop": {"size": 9, "p": 0.5}}),
        view(
            {"random_crop": {"size": 8}}, {"random_crop": {**CROP["random_crop"], "p": 0.5}}, CROP
        ),
        view(CROP, "horizontal_flip", views=3),
        StagedView(views=[view(), view(CROP, "horizontal_flip")], begins=[1, 3]),
    ],
)
def test_batches_are_made_of_images_changed_one_at_a_time(
    changes: TrainView | StagedView, shape: tuple[int, ...]
) -> None:
    samples = arrays(*shape)
    for epoch in (1, 3, 12):
        with Stream(Sparing(samples), changes, 0) as stream:
            (batch,) = stream.run([Task(epoch, INDICES, REPEATS)])

        for image, index, repeat in zip(batch.images, INDICES, REPEATS, strict=True):
            alone = changes(samples.image(index), epoch=epoch, index=index, repeat=repeat)
            np.testing.assert_array_equal(image, alone)
        assert batch.images.is_contiguous()


def test_what_is_seen_at_once_is_told_from_what_is_not() -> None:
    rows = arrays(12, 12, 3).pixels[INDICES]

    def is_done(changes: TrainView | EvalView) -> bool:
        made = changes.changed(rows, epoch=1, indices=INDICES, repeats=REPEATS)
        return made is not None

    assert is_done(view())
    assert is_done(EvalView(PLAIN))
    assert is_done(view(CROP))
    assert not is_done(view(CROP, "color_jitter"))
    assert not is_done(view({"random_resized_crop": {"size": 12}}))
    assert not is_done(view({"random_crop": {"size": 9, "p": 0.5}}, {"random_crop": {"size": 9}}))
    # What decides is the size at that place in the list, not the one that it begins with.
    cut = {"random_crop": {"size": 9}}
    assert is_done(view(cut, {"random_crop": {"size": 9, "p": 0.5}}))
    assert not is_done(view(cut, {"random_crop": {**CROP["random_crop"], "p": 0.5}}, CROP))


def test_a_batch_leaves_the_images_as_they_are() -> None:
    samples = arrays(12, 12, 3)
    before = samples.pixels.copy()
    with Stream(samples, view("horizontal_flip"), 0) as stream:
        (batch,) = stream.run([Task(1, INDICES, REPEATS)])
    batch.images.zero_()

    np.testing.assert_array_equal(samples.pixels, before)
