"""In which kind of numbers and which layout a job computes, and why.

A recipe that says `precision: auto` leaves both to trials of its net on this processor. They are
made once for each processor, torch, net and way to train it. While what is kept of them is used,
the same recipe gives the same plan.
"""

import hashlib
import json
import math
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from fttrain import environment, tryout
from fttrain.draft import Draft
from fttrain.models import build, frozen, work
from fttrain.models.zoo import Net
from fttrain.spec import rundir
from fttrain.spec.plan import LayoutName, PrecisionName, SpeedCard, TrialCard, TriedPrecision
from fttrain.spec.recipe import Recipe
from fttrain.stagedraft import StageDraft
from fttrain.tryout import Subject

WORTH = 1.1
"""So many times as fast as fp32, or as channels_last, another one must be to be chosen."""
FORMAT = 5
"""Of what is kept; trials are made in another way under another number."""
_TRIALS = TypeAdapter(list[TrialCard])
# Measured on convolutional nets, one thread: 1.1 to 2.1 times the speed of contiguous.
_USUAL: LayoutName = "channels_last"


@dataclass(frozen=True, slots=True, kw_only=True)
class Numerics:
    """What is chosen."""

    precision: PrecisionName
    layout: LayoutName
    speed: SpeedCard | None
    """What it was chosen by; None: the recipe says it."""


def choose(draft: Draft, *, device: str, chunk: int, cache: Path | None) -> Numerics:
    """Choose numbers and layout for a plan. Trials are looked for, and kept, in `cache`."""
    train = draft.recipe.train
    layout = _USUAL if train.layout == "auto" else train.layout
    if train.precision != "auto":
        return Numerics(precision=train.precision, layout=layout, speed=None)
    if device == "cuda":
        speed = SpeedCard(why="bf16, as on every GPU")
        return Numerics(precision="bf16", layout=layout, speed=speed)
    trials = _known(draft, chunk, cache)
    natively = has_bf16(environment.instructions())
    return decide(trials, share(draft), has_bf16=natively, layout=layout)


def is_left_open(recipe: Recipe) -> bool:
    """Return whether a recipe leaves it to trials."""
    return recipe.train.precision == "auto"


def has_bf16(instructions: str) -> bool:
    """Return whether a processor computes bf16 itself: where it is emulated, it gains nothing."""
    return any(each.endswith("bf16") or each == "avx_ne_convert" for each in instructions.split())


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """How many images pass each part of a net in a job."""

    ahead: int
    steps: int
    judged: int

    def seconds(self, trial: TrialCard) -> float:
        """Return what all of them take."""
        return self.ahead * trial.ahead_s + self.steps * trial.step_s + self.judged * trial.rest_s


def share(draft: Draft) -> Share:
    """Count the images of the stage that trains most."""
    stage = _heaviest(draft)
    train = stage.recipe.train
    images, judged = len(draft.source.train), len(draft.source.val)
    evaluations = math.ceil(train.epochs / train.evaluate_every)
    features = stage.features
    seen = images * train.epochs * stage.recipe.data.repeats
    if features is not None and features.views > 0:
        ahead = images * features.views + judged
    else:
        ahead = seen + judged * evaluations
    return Share(ahead=ahead, steps=seen, judged=judged * evaluations)


def decide(
    trials: Sequence[TrialCard], share: Share, *, has_bf16: bool, layout: LayoutName = _USUAL
) -> Numerics:
    """Choose by trials, of each precision that in the usual layout first, fp32 before bf16.

    Without any it is fp32 in `layout`.
    """
    if not trials:
        speed = SpeedCard(why="fp32: no trial of this net was possible")
        return Numerics(precision="fp32", layout=layout, speed=speed)
    usual = trials[0]
    plain, halved = (_best(trials, each, share) for each in ("fp32", "bf16"))
    assert plain is not None
    chosen = plain if halved is None else _better(plain, [halved], share)
    told = [_of_numbers(plain, halved, share, has_bf16=has_bf16)]
    told += _of_layout(chosen, trials, share)
    return Numerics(
        precision=chosen.precision,
        layout=chosen.layout,
        speed=SpeedCard(
            processor=environment.processor(),
            gain=round(_gain(usual, chosen, share), 3),
            why=", ".join(told),
            trials=list(trials),
        ),
    )


def _best(trials: Sequence[TrialCard], precision: TriedPrecision, share: Share) -> TrialCard | None:
    """Return the best layout for a precision; None where it was not tried."""
    own = [each for each in trials if each.precision == precision]
    return _better(own[0], own[1:], share) if own else None


def _better(kept: TrialCard, others: Sequence[TrialCard], share: Share) -> TrialCard:
    """Return the best of the others where it is worth it."""
    best = min(others, key=share.seconds, default=kept)
    return best if _gain(kept, best, share) >= WORTH else kept


def _gain(before: TrialCard, after: TrialCard, share: Share) -> float:
    return share.seconds(before) / max(share.seconds(after), 1e-12)


def _of_numbers(plain: TrialCard, halved: TrialCard | None, share: Share, *, has_bf16: bool) -> str:
    if not has_bf16:
        return "fp32: this processor has no instructions for bf16"
    if halved is None:
        return "fp32: torch cannot compute this net in bf16"
    gain = _gain(plain, halved, share)
    if gain >= WORTH:
        return f"bf16: {gain:.1f} times as fast here as fp32"
    return f"fp32: bf16 is {gain:.2f} times as fast here"


def _of_layout(chosen: TrialCard, trials: Sequence[TrialCard], share: Share) -> list[str]:
    usual = next(each for each in trials if each.precision == chosen.precision)
    if chosen.layout == usual.layout:
        return []
    gain = _gain(usual, chosen, share)
    return [f"{chosen.layout} is {gain:.1f} times as fast as {usual.layout}"]


def _known(draft: Draft, chunk: int, cache: Path | None) -> list[TrialCard]:
    """Return the trials that were made before of the same, or make them."""
    sizes = _sizes(draft, chunk)
    file = cache / f"speed-{_digest(draft, sizes)}.json" if cache is not None else None
    if file is not None:
        with suppress(FileNotFoundError, ValidationError):
            known = _TRIALS.validate_json(file.read_bytes())
            os.utime(file)  # What is used is not removed by age.
            return known
    made = _try_out(draft, sizes)
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        rundir.write_aside(file, _TRIALS.dump_json(made))
    return made


def _try_out(draft: Draft, sizes: "_Sizes") -> list[TrialCard]:
    stage, built = _heaviest(draft), _built(draft)
    trained = frozenset(stage.trained)
    subject = Subject(
        net=built,
        prefix=stage.prefix,
        trained=trained,
        staying=tuple(frozen.norms(built, trained, bn=stage.recipe.train.bn)[1]),
        batch=(sizes.batch, *stage.train_shape),
        chunk=(sizes.chunk, *stage.eval_shape),
        is_plain=_is_light(draft),
    )
    with tryout.alone():
        layouts = _layouts(subject, draft.recipe.train.layout)
        kinds: list[tryout.Kind] = [("fp32", each) for each in layouts]
        if has_bf16(environment.instructions()):
            kinds += [("bf16", each) for each in layouts]
        return tryout.compare(subject, kinds)


def _is_light(draft: Draft) -> bool:
    stage = _heaviest(draft)
    images = stage.recipe.train.batch_size
    return frozen.is_light(draft.net, prefix=stage.prefix, images=images)


def _layouts(subject: Subject, stated: str) -> list[LayoutName]:
    """Return those that are worth a trial; the usual one first."""
    if stated == "contiguous":
        return ["contiguous"]
    if stated == "channels_last":
        return ["channels_last"]
    usual, other = (tryout.forward_s(subject, each) for each in (_USUAL, "contiguous"))
    is_worth_it = usual is not None and other is not None and usual > other * WORTH
    return [_USUAL, "contiguous"] if is_worth_it else [_USUAL]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sizes:
    """Of what is timed, in images."""

    batch: int
    chunk: int


def _sizes(draft: Draft, chunk: int) -> _Sizes:
    stage, forward = _heaviest(draft), 2 * draft.macs
    size, fewest = draft.recipe.train.batch_size, min(2, draft.recipe.train.batch_size)
    step = 3.0 * forward
    if stage.prefix:
        # Of the blocks after the prefix alone, which it counts three times.
        step = 1.5 * (work.per_image(draft.net, stage.train_shape, prefix=stage.prefix) - forward)
    return _Sizes(
        batch=max(min(size, int(tryout.STEP_FLOPS / max(step, 1))), fewest),
        chunk=max(min(chunk, int(tryout.FORWARD_FLOPS / max(forward, 1))), 2),
    )


def _heaviest(draft: Draft) -> StageDraft:
    """Return the stage that trains most of the net."""
    return min(draft.stages, key=lambda stage: stage.prefix)


def _built(draft: Draft) -> Net:
    """Build the net with values: how fast it is may depend on them."""
    size: dict[str, Any] = {"classes": len(draft.source.classes), "channels": draft.source.channels}
    if draft.start is None:
        return build.fresh(draft.recipe.model, **size, seed=0)
    tensors = draft.start.tensors
    # Copies: what is timed moves the statistics of BatchNorm.
    kept = {name: tensors[name].clone() for name in draft.fit.loaded}
    return build.loaded(draft.recipe.model, **size, tensors=kept, seed=0)


def _digest(draft: Draft, sizes: _Sizes) -> str:
    """Return a digest of all that trials depend on, but for chance."""
    stage = _heaviest(draft)
    shapes: Mapping[str, tuple[int, ...]] = {
        name: tuple(value.shape) for name, value in draft.net.module.state_dict().items()
    }
    whole = {
        "format": FORMAT,
        "processor": environment.processor(),
        "instructions": environment.instructions(),
        "environment": environment.now("").model_dump(),
        "model": draft.recipe.model.model_dump(mode="json"),
        "shapes": shapes,
        "weights": draft.start.sha256 if draft.start is not None else None,
        "prefix": stage.prefix,
        "trained": stage.trained,
        "bn": stage.recipe.train.bn,
        "layout": draft.recipe.train.layout,
        "train_shape": stage.train_shape,
        "eval_shape": stage.eval_shape,
        "is_light": _is_light(draft),
        "batch": sizes.batch,
        "chunk": sizes.chunk,
    }
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()[:32]
