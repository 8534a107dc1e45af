"""What keeps a list of changes from giving batches of one size."""

from collections.abc import Iterator, Sequence

from fttrain.spec.augmentation import Augmentation
from fttrain.spec.faults import Fault
from fttrain.spec.images import Preprocess

SIZING = ("random_crop", "random_resized_crop", "resize", "center_crop")
_SQUARE = ("random_crop", "random_resized_crop", "center_crop")


def frames_itself(augment: Sequence[Augmentation]) -> bool:
    """Tell whether a list takes the place of the preprocessing's resize and crop."""
    return any(choice.kind in SIZING for choice in augment)


def side(preprocess: Preprocess, augment: Sequence[Augmentation]) -> int | None:
    """Return the side of what a list makes of images of any size; None where it is not certain."""
    return followed(None if frames_itself(augment) else preprocess.crop, augment)


def followed(side: int | None, augment: Sequence[Augmentation]) -> int | None:
    """Return the side of what a list makes of images of a side; None where it is not certain."""
    seen = side
    for choice in augment:
        if choice.kind in SIZING:
            seen = _after(seen, choice)
    return seen


def _after(side: int | None, choice: Augmentation) -> int | None:
    size: int = choice.value.size
    makes_square = choice.kind in _SQUARE or side is not None
    is_certain = choice.value.p == 1 or side == size
    return size if makes_square and is_certain else None


def check(augment: Sequence[Augmentation], preprocess: Preprocess, channels: int) -> list[Fault]:
    """Return what is wrong with a list, for images of so many channels."""
    return [
        *_check_sizes(augment, preprocess),
        *_check_crops(augment),
        *_check_colours(augment, channels),
    ]


def _check_sizes(augment: Sequence[Augmentation], preprocess: Preprocess) -> Iterator[Fault]:
    if frames_itself(augment) and side(preprocess, augment) is None:
        named = [choice.kind for choice in augment if choice.kind in SIZING]
        yield Fault(
            field="data.augment",
            description=f"leaves images of different sizes ({', '.join(named)}), which cannot "
            "form a batch; end with a center_crop, random_crop or random_resized_crop of p 1",
        )


def _check_crops(augment: Sequence[Augmentation]) -> Iterator[Fault]:
    for place, choice in enumerate(augment):
        if choice.random_resized_crop is None:
            continue
        for name in ("scale", "ratio"):
            low, high = getattr(choice.random_resized_crop, name)
            if low > high:
                yield Fault(
                    field=f"data.augment[{place}].random_resized_crop.{name}",
                    description=f"is [{low}, {high}]: the least comes first",
                )


def _check_colours(augment: Sequence[Augmentation], channels: int) -> Iterator[Fault]:
    for place, choice in enumerate(augment):
        if choice.pca_lighting is not None and channels != 3:
            yield Fault(
                field=f"data.augment[{place}].pca_lighting",
                description=f"is about colours, but the images have {channels} channel; "
                "leave it out",
            )
