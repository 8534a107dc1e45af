"""Each loss is the formula that stands here, whichever form its targets have."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from fttrain.optim import losses
from fttrain.spec.faults import RecipeFaults
from fttrain.spec.losses import Loss
from tests import byhand, engine
from tests.byhand import Trial
from tests.photos import make_photo_folder

LOGITS = torch.randn((6, 4), generator=torch.Generator().manual_seed(0)) * 2
CLASSES = torch.tensor([0, 1, 2, 3, 3, 1])
SHARES = torch.rand((6, 4), generator=torch.Generator().manual_seed(1)).softmax(1)
WEIGHTS = [0.5, 1.0, 2.0, 3.0]


def value(said: Any, target: Tensor, weights: list[float] | None = None) -> Tensor:
    loss = losses.make(Loss.model_validate(said), weights or [], torch.device("cpu"))
    return loss(LOGITS, target)


def one_hot(target: Tensor) -> Tensor:
    return F.one_hot(target, 4).float() if target.ndim == 1 else target


def mean_over_images(target: Tensor, term: Callable[[float, int], float]) -> Tensor:
    """Return the mean over images of the sum over classes of share * term(probability, class)."""
    p = LOGITS.double().softmax(1)
    rows = [
        sum(share * term(p[n, c].item(), c) for c, share in enumerate(row))
        for n, row in enumerate(one_hot(target).tolist())
    ]
    return torch.tensor(rows).mean()


both = pytest.mark.parametrize("target", [CLASSES, SHARES], ids=["classes", "shares"])


@both
@pytest.mark.word(
    "train.loss",
    "train.loss.cross_entropy",
    "train.loss.cross_entropy.label_smoothing",
    "train.loss.cross_entropy.class_weights",
)
def test_cross_entropy_is_torchs(target: Tensor) -> None:
    assert torch.equal(value("cross_entropy", target), F.cross_entropy(LOGITS, target))
    smooth = value({"cross_entropy": {"label_smoothing": 0.2}}, target)
    assert torch.equal(smooth, F.cross_entropy(LOGITS, target, label_smoothing=0.2))
    weighted = value({"cross_entropy": {"class_weights": "balanced"}}, target, WEIGHTS)
    expected = F.cross_entropy(LOGITS, target, weight=torch.tensor(WEIGHTS))
    assert torch.equal(weighted, expected)


@both
@pytest.mark.word("train.loss.focal", "train.loss.focal.gamma", "train.loss.focal.alpha")
@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0, 5.0])
def test_focal_is_its_formula(target: Tensor, gamma: float) -> None:
    """Lin et al. (2017), equation 5: FL = -alpha (1 - p)^gamma log(p)."""

    def term(alpha: list[float]) -> Callable[[float, int], float]:
        return lambda p, c: -alpha[c] * (1 - p) ** gamma * float(torch.tensor(p).double().log())

    plain = value({"focal": {"gamma": gamma}}, target)
    assert plain.item() == pytest.approx(mean_over_images(target, term([1.0] * 4)).item(), rel=1e-6)
    weighted = value({"focal": {"gamma": gamma, "alpha": "balanced"}}, target, WEIGHTS)
    assert weighted.item() == pytest.approx(
        mean_over_images(target, term(WEIGHTS)).item(), rel=1e-6
    )


@both
def test_focal_of_gamma_0_is_cross_entropy(target: Tensor) -> None:
    focal, plain = value({"focal": {"gamma": 0.0}}, target), F.cross_entropy(LOGITS, target)
    assert focal.item() == pytest.approx(plain.item(), rel=1e-6)


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_focal_has_a_finite_slope_where_the_answer_is_certain(gamma: float) -> None:
    logits = torch.tensor([[200.0, -200.0], [-200.0, 200.0]], requires_grad=True)
    loss = losses.make(Loss.model_validate({"focal": {"gamma": gamma}}), [], torch.device("cpu"))(
        logits, torch.tensor([0, 0])
    )
    loss.backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()


@both
@pytest.mark.word("train.loss.bce", "train.loss.bce.label_smoothing", "train.loss.bce.pos_weight")
def test_bce_is_torchs_on_one_answer_per_class(target: Tensor) -> None:
    plain = F.binary_cross_entropy_with_logits(LOGITS, one_hot(target))
    assert torch.equal(value("bce", target), plain)

    wanted = 0.8 * one_hot(target) + 0.2 / 4
    smooth = value({"bce": {"label_smoothing": 0.2}}, target)
    expected = F.binary_cross_entropy_with_logits(LOGITS, wanted)
    assert smooth.item() == pytest.approx(expected.item(), rel=1e-6)

    weighted = value({"bce": {"pos_weight": 2.0}}, target, WEIGHTS)
    assert torch.equal(
        weighted,
        F.binary_cross_entropy_with_logits(
            LOGITS, one_hot(target), pos_weight=torch.tensor(WEIGHTS)
        ),
    )


@pytest.mark.parametrize(
    "said",
    [
        {"cross_entropy": {"label_smoothing": 0.1, "class_weights": {"0": 3.0}}},
        {"focal": {"gamma": 1.5, "alpha": {"1": 0.5}}},
        {"bce": {"label_smoothing": 0.1, "pos_weight": {"2": 4.0}}},
    ],
    ids=lambda said: next(iter(said)),
)
def test_the_loop_minimises_the_loss_of_the_recipe(said: dict[str, Any]) -> None:
    trial = byhand.trial(loss=said)
    weights = trial.plan.class_weights
    loss = losses.make(trial.recipe.train.loss, weights, torch.device("cpu"))
    optimizer = torch.optim.SGD(trial.net.parameters(), lr=0.05, momentum=0.9, foreach=True)

    steps = trial.ours()

    assert [step.loss for step in steps] == byhand.plain(trial, optimizer, loss=loss)
    trial.assert_same_net()


# --- what classes count -------------------------------------------------------------------


def of_unequal_classes(tmp_path: Any, loss: Any) -> list[float]:
    """Return the weights of two classes, of 6 and 2 training images."""
    root = make_photo_folder(tmp_path / "photos", per_class=6)
    for extra in sorted((root / "train" / "squares").iterdir())[2:]:
        extra.unlink()
    return engine.planned(engine.photos(root, loss=loss)).class_weights


def test_balanced_weights_are_scikit_learns(tmp_path: Any) -> None:
    from sklearn.utils.class_weight import compute_class_weight

    theirs = compute_class_weight("balanced", classes=np.array([0, 1]), y=[0] * 6 + [1] * 2)
    said = {"cross_entropy": {"class_weights": "balanced"}}
    assert of_unequal_classes(tmp_path / "a", said) == pytest.approx(theirs.tolist())
    said = {"focal": {"alpha": "balanced"}}
    assert of_unequal_classes(tmp_path / "b", said) == pytest.approx(theirs.tolist())
    # torch's advice: 100 positive and 300 negative examples make pos_weight 3.
    said = {"bce": {"pos_weight": "balanced"}}
    assert of_unequal_classes(tmp_path / "c", said) == [2 / 6, 6 / 2]


def planned(loss: Any) -> Trial:
    return byhand.trial(loss=loss)


def test_a_map_weights_the_classes_that_it_names() -> None:
    by_name = {"3": 2.0, "7": 0.5}
    expected = [1.0, 1.0, 1.0, 2.0, 1.0, 1.0, 1.0, 0.5, 1.0, 1.0]
    for said in (
        {"cross_entropy": {"class_weights": by_name}},
        {"focal": {"alpha": by_name}},
        {"bce": {"pos_weight": by_name}},
    ):
        assert planned(said).plan.class_weights == expected
    assert planned({"focal": {"alpha": by_name}}).plan.notices == [
        "the loss weights classes: 0 1, 1 1, 2 1, 3 2, 4 1, 5 1, 4 more"
    ]
    assert planned({"bce": {"pos_weight": 3.0}}).plan.class_weights == [3.0] * 10
    assert planned("cross_entropy").plan.class_weights == []


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"cross_entropy": {"class_weights": {"77": 2.0}}}, "cross_entropy.class_weights.77"),
        ({"focal": {"alpha": {"77": 2.0}}}, "focal.alpha.77"),
        ({"bce": {"pos_weight": {"77": 2.0}}}, "bce.pos_weight.77"),
    ],
)
def test_a_class_that_is_not_there_is_a_fault(said: Any, field: str) -> None:
    assert engine.refused(engine.digits(loss=said)) == {
        f"train.loss.{field}": "there is no class `77`; did you mean `7`?"
    }


def test_a_class_like_no_other_is_answered_with_those_there_are() -> None:
    said = {"cross_entropy": {"class_weights": {"wasps": 2.0}}}
    assert engine.refused(engine.digits(loss=said)) == {
        "train.loss.cross_entropy.class_weights.wasps": "there is no class `wasps`; there are "
        "0, 1, 2, 3, 4, 5, 6, 7, ..."
    }


@pytest.mark.parametrize(
    ("said", "field", "told"),
    [
        (
            {"cross_entropy": {"class_weights": 2}},
            "cross_entropy.class_weights",
            "should be `balanced` or a map of class names to numbers, not 2",
        ),
        (
            {"cross_entropy": {"class_weights": {"3": -1}}},
            "cross_entropy.class_weights.3",
            "should be greater than 0, not -1",
        ),
        ({"focal": {"alpha": "even"}}, "focal.alpha", "'even' is not one of balanced"),
        (
            {"bce": {"pos_weight": [2]}},
            "bce.pos_weight",
            "should be a number, `balanced`, or a map of class names to numbers, not [2]",
        ),
    ],
)
def test_weights_that_are_none_are_faults(said: Any, field: str, told: str) -> None:
    with pytest.raises(RecipeFaults) as caught:
        engine.digits(loss=said)
    (fault,) = caught.value.faults
    assert (fault.field, fault.description) == (f"train.loss.{field}", told)
