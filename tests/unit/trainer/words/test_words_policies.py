"""AutoAugment and its kin: torchvision's operations, strengths, policies, and its frequencies."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from fttrain.data.augment import policies
from fttrain.data.augment.auto import POLICIES
from fttrain.data.augment.policies import Span
from tests.augmented import distance, draws, picture, pixels, proves, seen, stated

N = 3000
SPACES: list[tuple[Mapping[str, Span | None], Mapping[str, Any], int]] = [
    (policies.AUTO, v2.AutoAugment._AUGMENTATION_SPACE, 10),
    (policies.RANDOM, v2.RandAugment._AUGMENTATION_SPACE, 31),
    (policies.RANDOM, v2.RandAugment._AUGMENTATION_SPACE, 10),
    (policies.WIDE, v2.TrivialAugmentWide._AUGMENTATION_SPACE, 31),
    (policies.WIDE, v2.TrivialAugmentWide._AUGMENTATION_SPACE, 7),
    (policies.MIXED, v2.AugMix._AUGMENTATION_SPACE, 10),
]
STYLES: list[dict[str, Any]] = [
    {"interpolation": "nearest", "fill": 0},
    {"interpolation": "bilinear", "fill": 140},
]
FOUR = ["auto_augment", "rand_augment", "trivial_augment_wide", "aug_mix"]


def theirs(
    image: Image.Image, operations: list[tuple[str, float]], style: Mapping[str, Any]
) -> Image.Image:
    """Do operations by torchvision's own code."""
    mode = v2.InterpolationMode(style["interpolation"])
    for name, magnitude in operations:
        if (name, magnitude) == ("Posterize", 0):  # Of its tensors only: Pillow's keep one bit.
            image = F.to_pil_image(F.posterize(F.pil_to_tensor(image), 0))
            continue
        image = v2.RandAugment()._apply_image_or_video_transform(
            image, name, magnitude, mode, {Image.Image: style["fill"]}
        )
    return image


@pytest.mark.parametrize(("ours", "space", "bins"), SPACES)
@pytest.mark.parametrize("size", [(61, 47), (224, 224), (32, 32)])
def test_operations_and_strengths_are_torchvisions(
    ours: Mapping[str, Span | None], space: Mapping[str, Any], bins: int, size: tuple[int, int]
) -> None:
    assert sorted(ours) == sorted(space)
    for name, (magnitudes, signed) in space.items():
        expected, span = magnitudes(bins, size[1], size[0]), ours[name]
        if expected is None:
            assert span is None
            continue
        assert span is not None
        found = [span.at(place, bins, size) for place in range(bins)]
        assert span.signed == signed
        np.testing.assert_allclose(found, expected.numpy(), rtol=1e-6, atol=1e-6)
        assert [int(value) for value in found] == [int(value) for value in expected]


@proves("auto_augment.policy")
@pytest.mark.parametrize("policy", ["imagenet", "cifar10", "svhn"])
def test_policies_are_torchvisions(policy: str) -> None:
    expected = v2.AutoAugment(v2.AutoAugmentPolicy(policy))._policies

    assert POLICIES[policy] == tuple(
        tuple((name, p, place or 0) for name, p, place in pair) for pair in expected
    )


@proves("auto_augment", "auto_augment.interpolation", "auto_augment.fill")
@proves("rand_augment", "rand_augment.interpolation", "rand_augment.fill")
@proves("rand_augment.num_ops", "rand_augment.magnitude", "rand_augment.num_magnitude_bins")
@proves("trivial_augment_wide", "trivial_augment_wide.interpolation", "trivial_augment_wide.fill")
@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("grey", [False, True])
@pytest.mark.parametrize(
    ("kind", "options", "count"),
    [
        ("auto_augment", {"policy": "imagenet"}, None),
        ("auto_augment", {"policy": "cifar10"}, None),
        ("auto_augment", {"policy": "svhn"}, None),
        ("rand_augment", {}, 2),
        ("rand_augment", {"num_ops": 4, "magnitude": 15}, 4),
        ("rand_augment", {"num_ops": 1, "magnitude": 10, "num_magnitude_bins": 11}, 1),
        ("trivial_augment_wide", {}, 1),
    ],
)
def test_what_is_drawn_is_done_as_torchvision_does_it(
    style: dict[str, Any], grey: bool, kind: str, options: dict[str, Any], count: int | None
) -> None:
    image, choice = picture(grey=grey), stated(kind, **options, **style)
    drawn = {
        "auto_augment": policies.auto,
        "rand_augment": policies.random,
        "trivial_augment_wide": lambda *given: [policies.wide(*given)],
    }[kind]
    for index in range(40):
        operations = drawn(choice.value, image.size, draws(index))

        expected = pixels(theirs(image, operations, style))

        assert count in (None, len(operations))
        np.testing.assert_array_equal(seen(choice, image, index), expected)


def recorded(transform: Any, monkeypatch: pytest.MonkeyPatch) -> Counter[tuple[str, float]]:
    """Count what torchvision draws in N goes."""
    found: Counter[tuple[str, float]] = Counter()

    def note(self: Any, image: Any, name: str, magnitude: float, **_: Any) -> Any:
        found[name, round(magnitude, 3)] += 1
        return image

    monkeypatch.setattr(v2.RandAugment.__mro__[1], "_apply_image_or_video_transform", note)
    torch.manual_seed(0)
    image = picture()
    for _ in range(N):
        transform(image)
    return found


@proves("trivial_augment_wide.num_magnitude_bins")
@pytest.mark.parametrize(
    ("choice", "transform"),
    [
        (stated("auto_augment"), v2.AutoAugment()),
        (stated("auto_augment", policy="svhn"), v2.AutoAugment(v2.AutoAugmentPolicy.SVHN)),
        (stated("rand_augment", magnitude=11), v2.RandAugment(magnitude=11)),
        (stated("trivial_augment_wide", num_magnitude_bins=3), v2.TrivialAugmentWide(3)),
    ],
    ids=["imagenet", "svhn", "rand", "wide"],
)
def test_operations_are_drawn_as_often_as_torchvisions(
    choice: Any, transform: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = {
        "auto_augment": policies.auto,
        "rand_augment": policies.random,
        "trivial_augment_wide": lambda *given: [policies.wide(*given)],
    }[choice.kind]
    ours = Counter(
        (name, round(magnitude, 3))
        for index in range(N)
        for name, magnitude in drawn(choice.value, (61, 47), draws(index))
    )

    expected = recorded(transform, monkeypatch)

    for key in ours.keys() | expected.keys():
        spread = (ours[key] + expected[key] + 1) ** 0.5
        assert abs(ours[key] - expected[key]) < 4.5 * spread, key


@proves("aug_mix", *(f"aug_mix.{name}" for name in ("severity", "mixture_width", "chain_depth")))
@proves("aug_mix.interpolation", "aug_mix.fill", "aug_mix.all_ops", "aug_mix.alpha")
@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize(
    "options",
    [{}, {"severity": 10, "mixture_width": 1, "chain_depth": 4}, {"all_ops": False, "alpha": 0.2}],
)
def test_a_mixture_is_the_weighted_sum_of_torchvisions_chains(
    style: dict[str, Any], options: dict[str, Any]
) -> None:
    image, choice = picture(), stated("aug_mix", **options, **style)
    for index in range(20):
        drawn = policies.mixture(choice.aug_mix, image.size, draws(index))

        total = drawn.own * pixels(image).astype(float)
        for share, operations in drawn.chains:
            total += share * pixels(theirs(image, operations, style)).astype(float)

        assert drawn.own + sum(share for share, _ in drawn.chains) == pytest.approx(1)
        # Cut off as torchvision does; 32 bits may fall on the other side of a whole number.
        apart = seen(choice, image, index) - total
        assert apart.min() > -1.001
        assert apart.max() < 0.001


@pytest.mark.parametrize("all_ops", [True, False])
def test_mixtures_are_drawn_as_stated(all_ops: bool) -> None:
    choice = stated("aug_mix", severity=4, mixture_width=2, all_ops=all_ops).aug_mix
    drawn = [policies.mixture(choice, (60, 48), draws(index)) for index in range(1000)]

    chains = [chain for mixture in drawn for _, chain in mixture.chains]
    depths = Counter(len(chain) for chain in chains)
    names = {name for chain in chains for name, _ in chain}
    shears = {abs(m) for chain in chains for name, m in chain if name == "ShearX"}
    assert depths.keys() == {1, 2, 3}
    assert max(depths.values()) - min(depths.values()) < 4.5 * (4000 / 3) ** 0.5
    space = v2.AugMix._AUGMENTATION_SPACE if all_ops else v2.AugMix._PARTIAL_AUGMENTATION_SPACE
    assert names == set(space)
    assert sorted(shears) == pytest.approx([0.3 * place / 9 for place in range(4)])


@pytest.mark.parametrize("alpha", [0.1, 0.2, 1.0, 4.0])
def test_shares_are_of_dirichlets_distribution(alpha: float) -> None:
    two = np.array([draws(index).dirichlet(alpha, 2)[0] for index in range(N)])
    three = np.array([draws(index).dirichlet(alpha, 3)[1] for index in range(N)])

    theirs_two = np.random.default_rng(0).beta(alpha, alpha, 100_000)
    theirs_three = np.random.default_rng(0).beta(alpha, 2 * alpha, 100_000)

    assert distance(two, theirs_two) < 1.95 * (1 / N + 1e-5) ** 0.5
    assert distance(three, theirs_three) < 1.95 * (1 / N + 1e-5) ** 0.5


def test_a_tiny_alpha_gives_all_to_one() -> None:
    shares = draws(0).dirichlet(1e-4, 3)

    assert sum(shares) == pytest.approx(1)
    assert max(shares) > 0.999
