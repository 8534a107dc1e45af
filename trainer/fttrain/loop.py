"""The loop: batches in, steps out. No files, no clock, no logging.

The blocks before the first that trains run as a pass of their own: frozen, in eval mode, in
chunks of a fixed size, ahead of the steps. What a step computes does not depend on how far ahead.
"""

import itertools
import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_, clip_grad_value_
from torch.optim import Optimizer

from fttrain import generator, process
from fttrain.data.mixing import Mixing
from fttrain.data.stream import Batch
from fttrain.data.view import normalise
from fttrain.judge import Judging
from fttrain.models import norms
from fttrain.models.zoo import Aside, Net
from fttrain.optim import optimizers
from fttrain.optim.ema import Ema
from fttrain.optim.sharpness import Sharpness
from fttrain.precision import Precision
from fttrain.results import verdicts
from fttrain.results.verdicts import Verdicts
from fttrain.score import Tally
from fttrain.spec.images import Preprocess

Input = tuple[Tensor, Tensor]
"""What the trained part of the net sees of a batch, and its targets: labels, (N,), or the share of
each class, (N, C)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """All that a step depends on, beside its images."""

    net: Net
    prefix: int
    """So many blocks, from the first on, are frozen and run ahead."""
    frozen_norms: tuple[nn.Module, ...]
    """BatchNorm layers whose statistics stay."""
    asides: tuple[Aside, ...]
    """Auxiliary heads that train."""
    optimizer: Optimizer
    rates: Callable[[int], list[float]]
    """The learning rate of each group at a step, counted from 0."""
    momentum: Callable[[int], float | None]
    """The momentum of all groups at a step; None where the optimizer's own stays."""
    sharpness: Sharpness | None
    """Takes the gradient at the worst point nearby; None: where the weights are."""
    loss: Callable[[Tensor, Tensor], Tensor]
    """Logits and labels to their mean loss."""
    preprocess: Preprocess
    layout: torch.memory_format
    device: torch.device
    chunk: int
    accumulate: int
    clip_value: float | None
    clip_norm: float | None
    seed: int
    micro_batch: int = 0
    """Images of a batch that are computed at once; 0: all of them."""
    is_light: bool = False
    """True if steps take one thread."""
    is_plain: bool = False
    """True if steps take fp32, whatever evaluations take."""
    mixing: Mixing | None = None
    """Mixes the images of each batch."""
    precision: Precision = field(default_factory=Precision)
    ema: Ema | None = None
    """The mean of the weights that follows the steps; None: none does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A finished optimizer step."""

    step: int
    """Counted from 0 over the run."""
    lrs: list[float]
    loss: float
    """Mean over its images."""
    correct: int
    images: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Lead:
    """What begins before the first step: so the prefix's chunks are cut where they would be."""

    batches: int = 0
    """The first batches, which are trained on already."""
    rows: int = 0
    """So many of their images, the first, lie in a chunk before."""
    made: int = 0
    """So many of their images, the last, lie in a chunk with some that are still to come."""


_NO_LEAD = Lead()


class NonFiniteLoss(Exception):
    """A loss that is no number. The step was not taken."""

    def __init__(self, loss: float, *, step: int, lrs: list[float]) -> None:
        super().__init__(f"the loss is {loss} at step {step + 1}")
        self.loss = loss
        self.step = step
        self.lrs = lrs


def train(
    training: Training, batches: Iterable[Batch], *, first_step: int, lead: Lead = _NO_LEAD
) -> Iterator[Step]:
    """Train on the batches, `accumulate` of them per step; a last group may be shorter.

    Those of the lead come first, and no step is made of them.

    Raises:
        NonFiniteLoss: before the step that it would spoil.
    """
    _enter_training(training)
    inputs = _inputs(training, iter(batches), first_step, lead)
    for step in itertools.count(first_step):
        group = list(itertools.islice(inputs, training.accumulate))
        if not group:
            return
        with process.one_thread() if training.is_light else nullcontext():
            made = _step(training, group, step)
        yield made


def evaluate(judge: Judging, batches: Iterable[Batch]) -> Verdicts:
    """Evaluate on batches of at most `chunk` images, in eval mode."""
    for module in judge.net.module.modules():
        _turn(module, is_training=False)
    parts = []
    with torch.inference_mode():
        for batch in batches:
            logits = _chunkwise(judge, batch.images, first=batch.depth).float()
            labels = batch.labels.to(judge.device)
            with process.one_thread():  # It is so little that others would only be waited for.
                loss = judge.loss(logits, labels).item()
                parts.append(verdicts.judge(logits, labels, indices=batch.indices, loss=loss))
    return verdicts.joined(parts)


def passed(training: Training, images: Tensor) -> Tensor:
    """Return what the prefix makes of at most `chunk` images."""
    _rest_prefix(training)
    with torch.no_grad():
        return _chunkwise(training, images, last=training.prefix)


def recalibrate(training: Training, batches: Iterable[Batch]) -> None:
    """Take the statistics of all BatchNorm layers anew, as the mean over these batches."""
    with torch.no_grad(), norms.measuring(training.net.module):
        for batch in batches:
            _run(training, _prepared(training, batch.images))


def _step(training: Training, group: list[Input], step: int) -> Step:
    lrs = training.rates(step)
    optimizers.set_pace(training.optimizer, lrs, training.momentum(step))
    tally = _gradients(training, group, step, lrs)
    trained = [p for table in training.optimizer.param_groups for p in table["params"]]
    if training.sharpness is not None:
        with training.sharpness.worst_point(training.net.module, trained):
            _gradients(training, group, step, lrs)
    training.precision.unscale(training.optimizer)
    if training.clip_value is not None:
        clip_grad_value_(trained, training.clip_value)
    if training.clip_norm is not None:
        clip_grad_norm_(trained, training.clip_norm)
    training.precision.step(training.optimizer)
    for parameter in trained:  # `Optimizer.zero_grad` does the same in many times the time.
        parameter.grad = None
    if training.ema is not None:
        training.ema.update(step)
    return Step(step=step, lrs=lrs, loss=tally.loss, correct=tally.correct, images=tally.count)


def _gradients(training: Training, group: list[Input], step: int, lrs: list[float]) -> Tally:
    """Add up the gradient of all batches of a step; the same chance each time."""
    tally = Tally()
    images = sum(len(labels) for _, labels in group)
    for place, (seen, labels) in _passes(training, group):
        generator.reseed(generator.derive(training.seed, "step", step, *place))
        logits, loss = _forward(training, seen, labels)
        # Each batch counts by its share of the images: how they are parted does not matter, but for
        # class weights of cross_entropy, whose mean is over the weights of a batch.
        count = len(labels)
        training.precision.backward(loss * (count / images) if count < images else loss)
        tally.add(
            loss_sum=loss.item() * count,
            correct=_correct(logits, labels),
            count=count,
        )
    if not math.isfinite(tally.loss):
        raise NonFiniteLoss(tally.loss, step=step, lrs=lrs)
    return tally


def _passes(training: Training, group: list[Input]) -> Iterator[tuple[tuple[int, ...], Input]]:
    """Yield what is computed at once, with its place: which batch, and from the second part of a
    batch on, which part."""
    for place, (seen, labels) in enumerate(group):
        parts = _parts(len(labels), training.micro_batch)
        if parts == 1:
            yield (place,), (seen, labels)
            continue
        cut = zip(seen.tensor_split(parts), labels.tensor_split(parts), strict=True)
        for part, piece in enumerate(cut):
            yield ((place, part) if part else (place,)), piece


def _parts(images: int, micro_batch: int) -> int:
    """Return in how many parts a batch is computed; none has one image alone unless all do."""
    if micro_batch == 0:
        return 1
    return max(min(-(-images // micro_batch), images // min(micro_batch, 2)), 1)


def _forward(training: Training, seen: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return logits and loss, to which auxiliary heads add theirs by their weight."""
    seen_aside: list[tuple[float, Tensor]] = []
    seen = seen.float() if training.is_plain else seen
    with nullcontext() if training.is_plain else training.precision.stepping():
        for block in training.net.blocks[training.prefix :]:
            seen = block.run(seen)
            heads = [head for head in training.asides if head.after == block.name]
            seen_aside += [(head.weight, head.module(seen)) for head in heads]
    logits = seen.float()
    aside = [weight * training.loss(told.float(), labels) for weight, told in seen_aside]
    return logits, sum(aside, training.loss(logits, labels))


def _enter_training(training: Training) -> None:
    resting = set(_inner(training.frozen_norms)) | set(_inner(_prefix(training)))
    for module in training.net.module.modules():
        _turn(module, is_training=module not in resting)


def _rest_prefix(training: Training) -> None:
    for module in _inner(_prefix(training)):
        _turn(module, is_training=False)


def _prefix(training: Training) -> Iterator[nn.Module]:
    for block in training.net.blocks[: training.prefix]:
        yield from block.modules


def _inner(modules: Iterable[nn.Module]) -> Iterator[nn.Module]:
    """Yield modules and all that they are made of."""
    return (inner for module in modules for inner in module.modules())


def _turn(module: nn.Module, *, is_training: bool) -> None:
    """Have one module train or not; `Module.train` sets all that it is made of, which takes longer.

    Some nets of timm do more there, such as forget what they keep while they are evaluated.
    """
    if type(module).train is not nn.Module.train:
        module.train(is_training)
    elif module.training is not is_training:
        module.training = is_training


def _inputs(
    training: Training, batches: Iterator[Batch], first_step: int, lead: Lead
) -> Iterator[Input]:
    beginning = list(itertools.islice(batches, 1))
    is_passed = any(batch.depth for batch in beginning)
    whole = itertools.chain(beginning, batches)
    mixed = _mixed(training, whole, first_step, first=-lead.batches)
    if is_passed:
        yield from mixed
    elif training.prefix > 0:
        yield from _features(training, mixed, lead)
    else:
        for images, targets in mixed:
            yield _prepared(training, images), targets


def _mixed(
    training: Training, batches: Iterator[Batch], first_step: int, *, first: int
) -> Iterator[Input]:
    """Yield the images of whole batches, not yet prepared, and their targets, on the device.

    Batch 0 is the first of the first step; those of a lead stand before it.
    """
    for number, batch in enumerate(batches, start=first):
        images, labels = batch.images.to(training.device), batch.labels.to(training.device)
        if training.mixing is None:
            yield images, labels
        else:
            step, place = divmod(number, training.accumulate)
            yield training.mixing(images, labels, step=first_step + step, place=place)


def _features(training: Training, batches: Iterator[Input], lead: Lead) -> Iterator[Input]:
    """Run the prefix over chunks that know nothing of batches, then cut them into batches."""
    labels: deque[Tensor] = deque()

    def images() -> Iterator[Tensor]:
        for number, (seen, targets) in enumerate(batches):
            if number >= lead.batches:
                labels.append(targets)
            yield seen[lead.rows :] if number == 0 else seen

    made: Tensor | None = None
    done = lead.made
    for chunk in _cut(images(), training.chunk):
        with torch.no_grad():
            features = _chunkwise(training, chunk, last=training.prefix)[done:]
        done = 0
        made = features if made is None else torch.cat([made, features])
        while labels and len(made) >= len(labels[0]):
            count = len(labels[0])
            yield made[:count], labels.popleft()
            made = made[count:]


def _cut(rows: Iterator[Tensor], size: int) -> Iterator[Tensor]:
    """Cut rows anew into tensors of `size`; the last may be shorter."""
    waiting: Tensor | None = None
    for part in rows:
        waiting = part if waiting is None else torch.cat([waiting, part])
        while len(waiting) >= size:
            yield waiting[:size]
            waiting = waiting[size:]
    if waiting is not None and len(waiting):
        yield waiting


def _chunkwise(judge: Judging, seen: Tensor, *, first: int = 0, last: int | None = None) -> Tensor:
    """Run blocks on at most `chunk` images, or on what the blocks before the first made of them.

    They are filled up with zeros to the full chunk: what a row comes to depends on the shape of
    all, but not on its place or on other rows.
    """
    count = len(seen)
    if count < judge.chunk:
        none = seen.new_zeros((judge.chunk - count, *seen.shape[1:]))
        seen = torch.cat([seen, none])
    seen = seen.to(judge.device) if first else _prepared(judge, seen)
    return _run(judge, seen, first=first, last=last)[:count]


def _run(judge: Judging, seen: Tensor, *, first: int = 0, last: int | None = None) -> Tensor:
    with judge.precision.cast():
        for block in judge.net.blocks[first:last]:
            seen = block.run(seen)
    return seen


def _prepared(judge: Judging, images: Tensor) -> Tensor:
    images = images.to(judge.device).contiguous(memory_format=judge.layout)
    return normalise(images, judge.preprocess)


def _correct(logits: Tensor, labels: Tensor) -> int:
    """Count the images whose class, or that with the larger share, is the likeliest."""
    classes = labels.argmax(1) if labels.ndim == 2 else labels
    return int((logits.argmax(1) == classes).sum().item())
