"""The digits: a stratified split, noise and few labels, each a pure function of its seed."""

import sys

import numpy as np
import pytest
from sklearn.datasets import load_digits

from fttrain.data import digits, sources
from fttrain.data.samples import Arrays
from fttrain.data.sources import Source
from fttrain.spec.faults import RecipeFaults
from fttrain.spec.images import Data, Digits, Preprocess


def load(**options: float) -> Source:
    return sources.load(Data(digits=Digits(**options)))


def arrays(source: Source) -> tuple[Arrays, Arrays]:
    assert isinstance(source.train, Arrays)
    assert isinstance(source.val, Arrays)
    return source.train, source.val


def counts(labels: np.ndarray) -> list[int]:
    return np.bincount(labels, minlength=10).tolist()


def test_the_pixels_are_scikit_learns() -> None:
    values, labels = load_digits(return_X_y=True)

    for part in arrays(load()):
        theirs = np.round(values[part.origins] * 255 / 16).reshape(-1, 8, 8, 1)
        np.testing.assert_array_equal(part.pixels, theirs.astype(np.uint8))
        np.testing.assert_array_equal(part.labels, labels[part.origins])


def test_they_are_one_channel_and_say_their_own_preprocessing() -> None:
    source = load()

    assert source.name == "digits"
    assert source.classes == tuple("0123456789")
    assert source.channels == 1
    assert source.left_out == ()
    assert source.preprocess == Preprocess(mean=[0.5], std=[0.5])
    assert source.train.image(0).shape == (8, 8, 1)
    assert source.train.image(0).dtype == np.uint8
    assert source.train.labels.dtype == np.int64
    assert source.train.name(0).startswith("digit ")


def test_the_split_is_stratified_and_whole() -> None:
    train, val = arrays(load(val_share=0.3))

    _, labels = load_digits(return_X_y=True)
    assert counts(val.labels) == [round(0.3 * n) for n in counts(labels)]
    together = np.concatenate([train.origins, val.origins])
    np.testing.assert_array_equal(np.sort(together), np.arange(1797))


@pytest.mark.parametrize("share", [0.0001, 0.9999])
def test_every_class_stays_on_both_sides_of_any_split(share: float) -> None:
    train, val = arrays(load(val_share=share))

    assert min(counts(train.labels)) >= 1
    assert min(counts(val.labels)) >= 1


def test_another_split_seed_splits_otherwise() -> None:
    one, other = arrays(load(split_seed=1))[1], arrays(load(split_seed=2))[1]

    assert set(one.origins) != set(other.origins)
    np.testing.assert_array_equal(one.origins, arrays(load(split_seed=1))[1].origins)


def test_noise_belongs_to_the_image_wherever_it_ends_up() -> None:
    by_origin = [
        {
            int(origin): image.tobytes()
            for part in arrays(load(noise=0.3, val_share=share))
            for origin, image in zip(part.origins, part.pixels, strict=True)
        }
        for share in (0.2, 0.6)
    ]

    assert by_origin[0] == by_origin[1]


def test_noise_has_the_stated_strength_and_stays_within_bytes() -> None:
    clean, noisy = arrays(load())[0], arrays(load(noise=0.1))[0]

    difference = noisy.pixels.astype(float) - clean.pixels
    middle = difference[(clean.pixels > 100) & (clean.pixels < 155)]
    assert abs(middle.mean()) < 0.6
    assert abs(middle.std() - 25.5) < 0.6
    assert noisy.pixels.dtype == np.uint8
    assert not np.array_equal(noisy.pixels, arrays(load(noise=0.1, split_seed=1))[0].pixels)


def test_few_labels_are_the_same_of_each_class_and_among_the_more() -> None:
    few, more = arrays(load(labels_per_class=5)), arrays(load(labels_per_class=20))

    assert counts(few[0].labels) == [5] * 10
    assert set(few[0].origins) < set(more[0].origins)
    np.testing.assert_array_equal(few[1].origins, arrays(load())[1].origins)


def test_more_labels_than_there_are_is_a_fault() -> None:
    with pytest.raises(RecipeFaults) as caught:
        load(labels_per_class=150)

    assert str(caught.value) == (
        "data.digits.labels_per_class: asks for 150 of each class, "
        "but class `8` has 122 to train on"
    )


def test_the_fingerprint_tells_of_every_parameter() -> None:
    variants = [{}, {"noise": 0.1}, {"split_seed": 1}, {"val_share": 0.4}, {"labels_per_class": 5}]

    prints = [load(**options).fingerprint for options in variants]

    assert len(set(prints)) == len(variants)
    assert prints[0] == load().fingerprint


def test_without_scikit_learn_the_fault_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)

    with pytest.raises(RecipeFaults) as caught:
        load()

    assert str(caught.value) == (
        "data.digits: needs scikit-learn, which is not installed: pip install 'finetuned[demo]'"
    )


def test_a_scikit_learn_that_keeps_its_table_elsewhere_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    usual = load().fingerprint
    monkeypatch.setattr(digits, "_TABLE", "datasets/elsewhere.csv.gz")

    assert load().fingerprint == usual
