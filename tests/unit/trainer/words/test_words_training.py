"""EMA, precision, BatchNorm's statistics: our loop against torch and torchvision's references."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, update_bn

from fttrain import assembly, judging, keeping, loop, resumption
from fttrain.data import order, sources
from fttrain.data.samples import Source
from fttrain.data.stream import Batch, Stream, Task
from fttrain.data.view import EvalView, normalise
from fttrain.events import Header
from fttrain.journal import Journal, StepLog
from fttrain.loop import Step, Training
from fttrain.optim import ema
from fttrain.progress import Progress
from fttrain.spec import rundir
from fttrain.spec.plan import Plan
from fttrain.spec.recipe import Recipe
from fttrain.state import checkpoint
from tests import engine
from tests.photos import make_photo_folder

DIGITS: dict[str, Any] = {"digits": {"labels_per_class": 2}}
CNN: dict[str, Any] = {"cnn": {"channels": [4, 8]}}
EPOCHS, BATCH = 4, 5
"""20 images: 4 steps an epoch."""
SHORT: dict[str, Any] = {"epochs": EPOCHS, "batch_size": BATCH}


class Run:
    """A training of digits, step by step."""

    def __init__(self, model: dict[str, Any] = CNN, **train: Any) -> None:
        self.recipe: Recipe = engine.parsed(DIGITS, model, {**SHORT, **train})
        self.plan: Plan = engine.planned(self.recipe)
        self.training: Training = assembly.training(self.recipe, self.plan)
        self.source: Source = sources.load(self.recipe.data)
        self.step = 0

    @property
    def net(self) -> nn.Module:
        return self.training.net.module

    def batches(self, epoch: int, size: int = BATCH) -> list[Batch]:
        with Stream(self.source.train, EvalView(self.plan.preprocess.steps), 0) as stream:
            cut = order.batches(order.epoch_order(len(self.source.train), 0, epoch), size, True)
            return list(stream.run([Task(epoch, part) for part in cut]))

    def epoch(self, epoch: int) -> Iterable[Step]:
        for step in loop.train(self.training, self.batches(epoch), first_step=self.step):
            self.step = step.step + 1
            yield step

    def prepared(self, batch: Batch) -> Tensor:
        images = batch.images.contiguous(memory_format=torch.channels_last)
        return normalise(images, self.plan.preprocess.steps)


def values(net: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in net.state_dict().items()}


def assert_same(left: dict[str, Tensor], right: dict[str, Tensor], *, whole: bool = True) -> None:
    assert left.keys() == right.keys()
    for name, value in left.items():
        if whole or value.is_floating_point():
            assert torch.equal(value, right[name]), name


# --- the mean of the weights ----------------------------------------------------------------


def torchvisions(net: nn.Module, decay: float) -> AveragedModel:
    """Return what references/classification/utils.py calls ExponentialMovingAverage."""

    def average(mean: Tensor, value: Tensor, _: Any) -> Tensor:
        return decay * mean + (1 - decay) * value

    return AveragedModel(net, avg_fn=average, use_buffers=True)


@pytest.mark.word("train.ema", "train.ema.decay", "train.ema.every")
@pytest.mark.parametrize("warmup", [0, 2])
@pytest.mark.parametrize("every", [1, 3])
def test_the_mean_is_that_of_torchvisions_references(every: int, warmup: int) -> None:
    more = {"warmup": {"epochs": warmup}} if warmup else {}
    run = Run(ema={"decay": 0.8, "every": every}, **more)
    oracle = torchvisions(run.net, 0.8)

    for epoch in range(1, EPOCHS + 1):
        for number, _ in enumerate(run.epoch(epoch)):
            # As train_one_epoch of references/classification/train.py has it.
            if number % every == 0:
                oracle.update_parameters(run.net)
                if epoch - 1 < warmup:
                    oracle.n_averaged.fill_(0)
        with judging.judged(run.training, None):
            held = values(run.net)
        # Numbers of batches are no mean: we take them as they are.
        assert_same(held, values(oracle.module), whole=False)
    assert not torch.equal(held["head.weight"], values(run.net)["head.weight"])


def test_training_goes_on_as_if_nothing_had_been_averaged() -> None:
    plain, averaged = Run(), Run(ema={"decay": 0.8, "every": 1})
    for epoch in range(1, EPOCHS + 1):
        list(plain.epoch(epoch))
        list(averaged.epoch(epoch))
        with judging.judged(averaged.training, None):
            pass

    assert_same(values(plain.net), values(averaged.net))


@pytest.mark.word("train.ema.adjust")
@pytest.mark.parametrize(("batch", "accumulate", "every"), [(5, 1, 2), (2, 2, 3), (5, 4, 40)])
def test_an_adjusted_decay_is_torchvisions(batch: int, accumulate: int, every: int) -> None:
    run = Run(
        batch_size=batch,
        accumulate=accumulate,
        ema={"decay": 0.99, "every": every, "adjust": True},
    )

    # As main of references/classification/train.py has it.
    adjust = 1 * (batch * accumulate) * every / EPOCHS
    alpha = min(1.0, (1.0 - 0.99) * adjust)
    assert run.plan.ema_decay == 1.0 - alpha
    assert ema.adjusted(0.99, images=10**6, every=1, epochs=1) == 0.0


# --- precision ------------------------------------------------------------------------------


def plain_steps(
    run: Run, net: nn.Module, dtype: torch.dtype, *, scaler: Any
) -> list[tuple[float, float]]:
    """Train as the recipes of torch do: autocast around the net, the scaler around the step."""
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
    told = []
    net.train()
    for epoch in range(1, EPOCHS + 1):
        for batch in run.batches(epoch):
            with torch.autocast("cpu", dtype=dtype):
                logits = net(run.prepared(batch))
            loss = F.cross_entropy(logits.float(), batch.labels)
            scaler.scale(loss).backward()
            scaler.unscale_(optimizer)
            norm = nn.utils.clip_grad_norm_(net.parameters(), 0.5)
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad()
            told.append((loss.item(), norm.item()))
    return told


@pytest.mark.word("train.precision")
@pytest.mark.parametrize(("name", "dtype"), [("bf16", torch.bfloat16), ("fp16", torch.float16)])
def test_a_precision_is_torchs_autocast(name: str, dtype: torch.dtype) -> None:
    run, other = (Run(precision=name, clip_norm=0.5) for _ in range(2))
    scaler = torch.amp.GradScaler("cpu", enabled=name == "fp16")

    expected = plain_steps(other, other.net, dtype, scaler=scaler)
    losses = [step.loss for epoch in range(1, EPOCHS + 1) for step in run.epoch(epoch)]

    assert losses == [loss for loss, _ in expected]
    assert_same(values(run.net), values(other.net))
    assert run.training.precision.state() == scaler.state_dict()
    exact = Run(clip_norm=0.5)
    assert losses != [step.loss for epoch in range(1, EPOCHS + 1) for step in exact.epoch(epoch)]
    assert losses[0] == pytest.approx(next(iter(Run().epoch(1))).loss, rel=0.02)


def test_an_evaluation_is_of_the_same_precision() -> None:
    run = Run(precision="bf16")
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        expected = [run.net.eval()(run.prepared(batch)).float() for batch in run.batches(1, 16)]

    found = loop.evaluate(run.training, run.batches(1, 16))

    labels = torch.cat([batch.labels for batch in run.batches(1, 16)])
    loss = F.cross_entropy(torch.cat(expected)[:16], labels[:16]).item()
    assert found.count == 20
    assert loop.evaluate(run.training, run.batches(1, 16)[:1]).loss == pytest.approx(loss, rel=1e-6)


def test_a_step_whose_gradient_is_no_number_is_left_out_and_the_scale_is_halved() -> None:
    run = Run(precision="fp16")
    before = values(run.net)
    run.training.precision.restore({**run.training.precision.state(), "scale": 2.0**127})

    next(iter(run.epoch(1)))

    after = values(run.net)
    assert torch.equal(before["head.weight"], after["head.weight"])
    assert run.training.precision.state()["scale"] == 2.0**126


def test_fp32_is_what_a_recipe_means_that_says_nothing() -> None:
    assert Run().plan.precision == "fp32"


@pytest.mark.word("train.layout")
@pytest.mark.parametrize("layout", ["channels_last", "contiguous"])
def test_a_layout_is_that_of_images_and_of_weights(layout: str) -> None:
    run = Run(layout=layout)
    (batch, *_) = run.batches(1)
    both = {"channels_last": torch.channels_last, "contiguous": torch.contiguous_format}
    expected, seen = both[layout], list[bool]()
    convs = [each for each in run.net.modules() if isinstance(each, nn.Conv2d)]
    (conv,) = [each for each in convs if each.in_channels > 1]
    conv.register_forward_hook(
        lambda _, given, __: seen.append(given[0].is_contiguous(memory_format=expected))
    )

    loop.evaluate(run.training, [batch])

    assert seen == [True]
    assert conv.weight.is_contiguous(memory_format=expected)
    assert Run().plan.layout == "channels_last"


def test_fp16_on_a_processor_is_said_to_be_slow() -> None:
    assert (
        "processors compute fp16 one number at a time: a step takes 10 to 20 times as long as in "
        "fp32; bf16 is the other way to halve the numbers"
    ) in Run(precision="fp16").plan.notices


# --- BatchNorm ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def resnet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(2)
    net = torchvision.models.resnet18()
    path = tmp_path_factory.mktemp("weights") / "resnet.pt"
    torch.save(net.state_dict(), path)
    return path


def of_photos(root: Path, weights: Path, **train: Any) -> Recipe:
    model = {"name": "resnet18", "weights": f"file:{weights}"}
    return engine.photos(root, model, trains=["layer4.*", "head"], epochs=1, **train)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_photo_folder(tmp_path_factory.mktemp("bn") / "photos", per_class=6)


def photo_batches(recipe: Recipe, plan: Plan, size: int) -> list[Batch]:
    source = sources.load(recipe.data)
    with Stream(source.train, EvalView(plan.preprocess.steps), 0) as stream:
        cut = order.batches(order.epoch_order(len(source.train), 0, 0), size, True)
        return list(stream.run([Task(0, part) for part in cut]))


def prepared(plan: Plan, batch: Batch) -> Tensor:
    images = batch.images.contiguous(memory_format=torch.channels_last)
    return normalise(images, plan.preprocess.steps)


@pytest.mark.word("train.bn")
@pytest.mark.parametrize("bn", ["eval", "train"])
def test_frozen_statistics_stay_or_move_as_modes_of_plain_torch_have_it(
    bn: str, photos: Path, resnet: Path
) -> None:
    recipe = of_photos(photos, resnet, bn=bn)
    plan = engine.planned(recipe)
    training = assembly.training(recipe, plan)
    oracle: Any = torchvision.models.resnet18(num_classes=2)
    oracle.load_state_dict(training.net.module.state_dict())
    oracle = oracle.to(memory_format=torch.channels_last).train()
    for name, parameter in oracle.named_parameters():
        parameter.requires_grad_(name.startswith(("layer4", "fc")))
    frozen = ("conv1", "bn1", "layer1", "layer2", "layer3")
    for part in frozen if bn == "eval" else ():
        getattr(oracle, part).eval()
    trained = [parameter for parameter in oracle.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(trained, lr=0.05, momentum=0.9)
    batches = photo_batches(recipe, plan, 4)

    losses = [step.loss for step in loop.train(training, batches, first_step=0)]
    expected = []
    for batch in batches:
        loss = F.cross_entropy(oracle(prepared(plan, batch)), batch.labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        expected.append(loss.item())

    # A frozen pass runs in chunks of its own size: the same up to rounding.
    assert losses == pytest.approx(expected, abs=1e-4)
    held = training.net.module.state_dict()
    for name, value in oracle.state_dict().items():
        torch.testing.assert_close(held[name], value, atol=1e-4, rtol=1e-3)
    assert (plan.prefix == ["conv1"]) == (bn == "train")
    assert (plan.batch_norm_train, plan.batch_norm_eval) == ((20, 0) if bn == "train" else (5, 15))


def test_new_statistics_are_those_of_update_bn_and_leave_training_as_it_was(
    photos: Path, resnet: Path
) -> None:
    recipe = of_photos(photos, resnet, bn="recalibrate")
    plan = engine.planned(recipe)
    training = assembly.training(recipe, plan)
    batches = photo_batches(recipe, plan, 5)
    oracle: Any = torchvision.models.resnet18(num_classes=2)
    oracle.load_state_dict(training.net.module.state_dict())
    oracle = oracle.to(memory_format=torch.channels_last)
    before = values(training.net.module)

    update_bn([prepared(plan, batch) for batch in batches], oracle)
    with judging.judged(training, lambda: loop.recalibrate(training, batches)) as live:
        held = values(training.net.module)

    assert_same(held, values(oracle))
    assert_same(values(training.net.module), before)
    assert set(live) == {name for name in before if "running" in name or "num_batches" in name}
    assert plan.batch_norm_eval == 15
    assert len(plan.prefix) > 0


def test_a_run_with_new_statistics_keeps_and_exports_them(tmp_path: Path) -> None:
    recipe = engine.digits(bn="recalibrate", epochs=1)
    engine.trained(tmp_path / "run", recipe)
    plan = engine.planned(recipe)
    source = sources.load(recipe.data)
    net, _ = checkpoint.read(tmp_path / "run" / rundir.BEST)
    training = assembly.training(recipe, plan)
    training.net.module.load_state_dict(net)
    with Stream(source.train, EvalView(plan.preprocess.steps), 0) as stream:
        mixed = order.epoch_order(len(source.train), 0, 0)
        tasks = [Task(0, part) for part in order.batches(mixed, plan.chunk, True)]
        loop.recalibrate(training, stream.run(tasks))

    assert_same(values(training.net.module), net)


def test_bn_of_a_net_without_any_is_said_to_change_nothing(photos: Path) -> None:
    framed = {**engine.FRAMED, "resize": 64, "crop": 64}
    data = {"folder": {"path": str(photos)}, "preprocess": framed, "workers": 0}
    recipe = engine.parsed(data, {"name": "alexnet"}, {"bn": "train"})

    assert "alexnet has no BatchNorm: train.bn changes nothing" in engine.planned(recipe).notices


# --- taken up again -------------------------------------------------------------------------


def kept(run: Run, path: Path) -> Path:
    """Keep a run as a worker does at the end of an epoch."""
    card = rundir.AttemptCard(job_id="0", attempt=1, name="j")
    journal = Journal(path / "journal.jsonl", Header(format=1, job_id="0", attempt=1))
    try:
        standing = keeping.Standing(
            progress=Progress(step=run.step), before=(), partial=None, spared={},
            log=StepLog(journal, epochs=1, steps=1),
        )  # fmt: skip
        files = keeping.Keeping(run_dir=path, attempt=card, plan=run.plan)
        with judging.judged(run.training, None) as live:
            files.save(run.training, live, run.recipe, standing)
    finally:
        journal.close()
    return path / rundir.LAST


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_a_checkpoint_goes_on_with_the_very_next_step(tmp_path: Path, precision: str) -> None:
    words: dict[str, Any] = {
        "ema": {"decay": 0.8, "every": 2}, "precision": precision, "warmup": {"epochs": 1},
        "accumulate": 2, "clip_value": 0.1,
    }  # fmt: skip
    unbroken, second = Run(**words), Run(**words)
    for epoch in (1, 2):
        list(unbroken.epoch(epoch))
    file = kept(unbroken, tmp_path)

    found = resumption.Found.read(file)
    resumption.restore(second.training, found.contents, found.card)
    second.step = found.card.step
    after = [[step.loss for run_epoch in (3, 4) for step in run.epoch(run_epoch)]
             for run in (unbroken, second)]  # fmt: skip

    assert after[0] == after[1]
    assert_same(values(unbroken.net), values(second.net))
    with judging.judged(unbroken.training, None), judging.judged(second.training, None):
        assert_same(values(unbroken.net), values(second.net))
    assert unbroken.training.precision.state() == second.training.precision.state()
