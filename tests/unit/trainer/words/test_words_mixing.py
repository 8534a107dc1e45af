"""Mixup, cutmix and repeats: torchvision's numbers of the same share and box; formulas."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torchvision.transforms import v2

from fttrain import assembly, loop
from fttrain.data import mixing, order, sources
from fttrain.data.chance import Draws
from fttrain.data.mixing import Blend, Mixing, Paste
from fttrain.data.stream import Batch, Stream, Task
from fttrain.data.view import TrainView
from fttrain.loop import Training
from fttrain.spec.augmentation import Mix
from fttrain.spec.recipe import Recipe
from tests import engine
from tests.augmented import assert_even, distance
from tests.photos import make_photo_folder

N = 2000
CLASSES = 5


def ways(*stated: Any) -> list[Mix]:
    return [Mix.model_validate_json(json.dumps(each)) for each in stated]


def batch(count: int) -> tuple[Tensor, Tensor]:
    numbers = np.random.default_rng(count)
    images = torch.from_numpy(numbers.integers(0, 256, (count, 3, 11, 17)).astype(np.uint8))
    return images, torch.from_numpy(numbers.integers(0, CLASSES, count))


def drawn(stated: list[Mix], step: int, place: int = 0) -> Blend | Paste | None:
    return mixing.draw(stated, (17, 11), Draws(0x6D6978, 3, step, place))


def mixed(stated: list[Mix], count: int, step: int, shift: int = 1) -> tuple[Tensor, Tensor]:
    mix = Mixing(ways=stated, classes=CLASSES, shift=shift, seed=3)
    return mix(*batch(count), step=step, place=0)


@pytest.mark.word("data.mix", "data.mix.mixup", "data.mix.mixup.alpha")
@pytest.mark.parametrize("count", [1, 2, 7, 8])
@pytest.mark.parametrize("alpha", [0.2, 1.0])
def test_mixup_is_torchvisions_of_the_drawn_share(
    count: int, alpha: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    stated = ways({"mixup": {"alpha": alpha}})
    theirs = v2.MixUp(alpha=alpha, num_classes=CLASSES)
    images, labels = batch(count)
    for step in range(10):
        blend = drawn(stated, step)
        assert isinstance(blend, Blend)
        monkeypatch.setattr(theirs, "make_params", lambda _, lam=blend.share: {"lam": lam})
        expected_images, expected_targets = theirs(images.float(), labels)

        ours, targets = mixed(stated, count, step)

        assert torch.equal(ours, expected_images)
        assert torch.equal(targets, expected_targets)


@pytest.mark.parametrize("count", [3, 7])
def test_mixup_by_its_formula(count: int) -> None:
    stated = ways("mixup")
    images, labels = batch(count)
    blend = drawn(stated, 4)
    assert isinstance(blend, Blend)

    ours, targets = mixed(stated, count, 4)

    for i in range(count):
        j = (i - 1) % count
        share = blend.share
        image = share * images[i].double() + (1 - share) * images[j].double()
        torch.testing.assert_close(ours[i].double(), image, rtol=1e-5, atol=1e-4)
        for c in range(CLASSES):
            wanted = share * (labels[i] == c).item() + (1 - share) * (labels[j] == c).item()
            assert targets[i, c].item() == pytest.approx(wanted)


@pytest.mark.word("data.mix.cutmix", "data.mix.cutmix.alpha")
@pytest.mark.parametrize("count", [1, 2, 7, 8])
@pytest.mark.parametrize("alpha", [0.2, 1.0])
def test_cutmix_is_torchvisions_of_the_drawn_box(
    count: int, alpha: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    stated = ways({"cutmix": {"alpha": alpha}})
    theirs = v2.CutMix(alpha=alpha, num_classes=CLASSES)
    images, labels = batch(count)
    for step in range(20):
        paste = drawn(stated, step)
        assert isinstance(paste, Paste)
        box = (paste.left, paste.top, paste.right, paste.bottom)
        params = {"box": box, "lam_adjusted": paste.share}
        monkeypatch.setattr(theirs, "make_params", lambda _, params=params: params)
        expected_images, expected_targets = theirs(images, labels)

        ours, targets = mixed(stated, count, step)

        assert torch.equal(ours, expected_images)
        assert torch.equal(targets, expected_targets)


@pytest.mark.parametrize("alpha", [0.2, 1.0, 3.0])
def test_shares_and_boxes_are_distributed_as_torchvisions(alpha: float) -> None:
    torch.manual_seed(0)
    image = [torch.zeros(1, 3, 11, 17)]
    mixups, cutmixes = v2.MixUp(alpha=alpha), v2.CutMix(alpha=alpha)
    shares = np.array([mixups.make_params(image)["lam"] for _ in range(N)])
    params = [cutmixes.make_params(image) for _ in range(N)]

    blends = [drawn(ways({"mixup": {"alpha": alpha}}), step) for step in range(N)]
    pastes = [drawn(ways({"cutmix": {"alpha": alpha}}), step) for step in range(N)]

    limit = 1.95 * (2 / N) ** 0.5
    assert distance(np.array([blend.share for blend in blends]), shares) < limit
    assert distance(np.array([p.share for p in pastes]), lam_adjusted(params)) < limit
    for side, name in enumerate(("left", "top", "right", "bottom")):
        ours = np.array([getattr(paste, name) for paste in pastes])
        assert distance(ours, np.array([p["box"][side] for p in params])) < limit


def lam_adjusted(params: list[dict[str, Any]]) -> np.ndarray:
    return np.array([p["lam_adjusted"] for p in params])


@pytest.mark.word("data.mix.mixup.p", "data.mix.cutmix.p")
def test_one_of_a_list_is_chosen_evenly_and_then_comes_as_often_as_it_says() -> None:
    stated = ways({"mixup": {"p": 0.4}}, {"cutmix": {"p": 0.8}})

    kinds = [type(drawn(stated, step)) for step in range(N)]

    for kind, share in ((Blend, 0.2), (Paste, 0.4), (type(None), 0.4)):
        assert abs(kinds.count(kind) - share * N) < 4 * math.sqrt(N * share * (1 - share))
    assert {drawn(ways({"mixup": {"p": 0}}), step) for step in range(50)} == {None}
    images, targets = mixed(ways({"mixup": {"p": 0}}), 7, 0)
    assert torch.equal(images, batch(7)[0])
    assert torch.equal(targets, torch.nn.functional.one_hot(batch(7)[1], CLASSES).float())


def test_each_batch_is_mixed_by_seed_step_and_place_alone() -> None:
    stated = ways("mixup")
    known = {(step, place): drawn(stated, step, place) for step in range(20) for place in range(3)}

    assert len(set(known.values())) == 60
    assert drawn(stated, 7, 2) == known[7, 2]
    other = mixing.draw(stated, (17, 11), Draws(0x6D6978, 4, 7, 2))
    assert other != known[7, 2]
    assert_even([drawn(stated, step).share for step in range(N)], 0, 1)


def test_no_image_is_mixed_with_its_own_repeat() -> None:
    images = torch.arange(12).repeat_interleave(3).view(36, 1, 1, 1).to(torch.uint8)
    mix = Mixing(ways=ways("mixup"), classes=36, shift=3, seed=0)

    _, targets = mix(images, torch.arange(12).repeat_interleave(3), step=0, place=0)

    assert ((targets > 0).sum(1) == 2).all()


# --- through the loop -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """26 photos, 13 a class: 3 steps of two batches of 4, and one with the last two."""
    return make_photo_folder(tmp_path_factory.mktemp("mixing") / "photos", per_class=13)


MIX = [{"mixup": {"alpha": 0.5}}, {"cutmix": {"alpha": 1.0, "p": 0.7}}]


def recipe(photos: Path, *, trains: list[str], mix: list[Any] = MIX, **data: Any) -> Recipe:
    body = {
        "data": {
            "folder": {"path": str(photos)},
            "preprocess": engine.FRAMED,
            "workers": 0,
            "mix": mix,
            **data,
        },
        "model": {"cnn": {"channels": [4, 8]}},
        "train": {
            "epochs": 2,
            "batch_size": 4,
            "accumulate": 2,
            "trains": trains,
            "optimizer": engine.SGD,
        },
    }
    return Recipe.model_validate_json(json.dumps(body))


def epoch_of(chosen: Recipe, training: Training) -> Iterator[Batch]:
    source = sources.load(chosen.data)
    view = TrainView(training.preprocess, chosen.data.augment, chosen.train.seed)
    cut = order.batches(order.epoch_order(len(source.train), 0, 1), 4, True)
    with Stream(source.train, view, 0) as stream:
        yield from stream.run([Task(1, part) for part in cut])


def plainly_mixed(batch: Batch, step: int, place: int) -> tuple[Tensor, Tensor]:
    """Write out what the loop sees of a batch: mixed after normalising, as torchvision does."""
    size = (batch.images.shape[3], batch.images.shape[2])
    how = mixing.draw(ways(*MIX), size, Draws(0x6D6978, 0, step, place))
    normal = v2.Normalize(engine.FRAMED["mean"], engine.FRAMED["std"])
    seen, hot = normal(batch.images / 255), torch.eye(2)[batch.labels]
    if how is None:
        return seen, hot
    if isinstance(how, Paste):
        part = (..., slice(how.top, how.bottom), slice(how.left, how.right))
        seen[part] = seen.roll(1, 0)[part]
    else:
        seen = how.share * seen + (1 - how.share) * seen.roll(1, 0)
    return seen, how.share * hot + (1 - how.share) * hot.roll(1, 0)


@pytest.mark.parametrize("trains", [["all"], ["head"]], ids=["whole", "frozen prefix"])
def test_the_loop_trains_on_mixed_batches_as_a_plain_loop_does(
    photos: Path, trains: list[str]
) -> None:
    chosen = recipe(photos, trains=trains)
    plan = engine.planned(chosen)
    ours, theirs = assembly.training(chosen, plan), assembly.training(chosen, plan)
    assert (ours.prefix > 0) == (trains == ["head"])

    steps = list(loop.train(ours, epoch_of(chosen, ours), first_step=5))

    net = theirs.net.module.train()
    if ours.prefix:
        for module in net.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.eval()
    batches = list(epoch_of(chosen, theirs))
    for number in range(0, len(batches), 2):
        group, step = batches[number : number + 2], 5 + number // 2
        total = sum(len(each.labels) for each in group)
        theirs.optimizer.zero_grad()
        losses, right = 0.0, 0
        for table, lr in zip(theirs.optimizer.param_groups, theirs.rates(step), strict=True):
            table["lr"] = lr
        for place, each in enumerate(group):
            seen, hot = plainly_mixed(each, step, place)
            logits = net(seen)
            loss = -(hot * logits.log_softmax(1)).sum(1).mean()
            (loss * len(hot) / total).backward()
            losses += loss.item() * len(hot)
            right += (logits.argmax(1) == hot.argmax(1)).sum().item()
        theirs.optimizer.step()
        assert steps[number // 2].loss == pytest.approx(losses / total, rel=2e-5)
        assert steps[number // 2].correct == right
    for mine, other in zip(
        ours.net.module.parameters(), theirs.net.module.parameters(), strict=True
    ):
        torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-6)


# --- repeats ----------------------------------------------------------------------------------


def ra_sampler(indices: list[int], repetitions: int) -> list[int]:
    """Written out: the order of torchvision's RASampler on one device, before its last line.

    That line keeps `len // 256 * 256` of them, nothing of a small set; here all stay.
    """
    repeated = [index for index in indices for _ in range(repetitions)]
    return repeated[: len(indices)]


@pytest.mark.word("data.repeats")
@pytest.mark.parametrize("repeats", [1, 2, 3, 4, 100])
@pytest.mark.parametrize("count", [1, 2, 10, 257])
def test_repeats_are_those_of_torchvisions_sampler(repeats: int, count: int) -> None:
    shuffled = order.epoch_order(count, seed=3, epoch=2)

    assert order.repeated(shuffled, repeats).tolist() == ra_sampler(shuffled.tolist(), repeats)


def test_an_occurrence_counts_how_often_an_index_stood_before() -> None:
    cut = [np.array([4, 4, 1]), np.array([4, 1, 0]), np.array([4])]

    assert [part.tolist() for part in order.occurrences(cut)] == [[0, 1, 0], [2, 1, 0], [3]]


def test_each_repeat_is_changed_anew_and_read_once(photos: Path) -> None:
    chosen = recipe(photos, trains=["all"], augment=[{"random_resized_crop": {"size": 24}}])
    source = sources.load(chosen.data)
    view = TrainView(engine.planned(chosen).preprocess.steps, chosen.data.augment, 0)
    indices = np.array([3, 3, 3, 5])
    with Stream(source.train, view, 0) as stream:
        (made,) = stream.run([Task(2, indices, np.array([0, 1, 2, 0]))])

    pictures = {index: source.train.picture(index) for index in (3, 5)}
    for row, (index, repeat) in enumerate([(3, 0), (3, 1), (3, 2), (5, 0)]):
        expected = view(pictures[index], epoch=2, index=index, repeat=repeat)
        assert torch.equal(made.images[row], expected)
    assert len({made.images[row].numpy().tobytes() for row in range(4)}) == 4
