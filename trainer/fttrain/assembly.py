"""From recipe and plan to all that the loop needs."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from fttrain.data.mixing import Mixing
from fttrain.loop import Training
from fttrain.models import build, frozen, tensors
from fttrain.models import norms as norm_layers
from fttrain.models.zoo import Net
from fttrain.optim import groups, losses, optimizers, schedules
from fttrain.optim.ema import Ema
from fttrain.optim.schedules import Course
from fttrain.optim.sharpness import Sharpness
from fttrain.precision import LAYOUTS, Precision
from fttrain.spec import itinerary, stages
from fttrain.spec.plan import GroupCard, Plan
from fttrain.spec.recipe import Recipe
from fttrain.spec.training import Train
from fttrain.state import checkpoint


class InputsChanged(Exception):
    """Files are not what the plan saw."""


def training(recipe: Recipe, plan: Plan, *, place: int = 0) -> Training:
    """Build net and optimizer as planned, for a stage, counted from 0, that is ahead or under way.

    Raises:
        BadWeights: where the weights cannot be read.
        InputsChanged: where they are not those that the plan saw.
    """
    layout = LAYOUTS[plan.layout]
    built = net(recipe, plan)
    built.module.to(device=plan.device, memory_format=layout)  # type: ignore[call-overload]
    return Training(
        net=built,
        loss=losses.make(recipe.train.loss, plan.class_weights, torch.device(plan.device)),
        preprocess=plan.preprocess.steps,
        layout=layout,
        device=torch.device(plan.device),
        chunk=plan.chunk,
        accumulate=plan.accumulate,
        micro_batch=plan.micro_batch,
        clip_value=recipe.train.clip_value,
        clip_norm=recipe.train.clip_norm,
        seed=recipe.train.seed,
        mixing=_mixing(recipe, plan) if recipe.data.mix else None,
        precision=Precision(plan.precision, plan.device),
        ema=_mean(recipe, plan, built, place),
        **_of_stage(recipe, plan, built, place),
    )


def turned(before: Training, recipe: Recipe, plan: Plan, place: int) -> Training:
    """Return a training as it begins its next stage: with an optimizer that has made no step."""
    if before.ema is not None:
        card = itinerary.plans(plan)[place]
        before.ema.enter(
            _averaged(recipe, plan, before.net, place),
            first_step=itinerary.before(plan, place),
            steps_per_epoch=card.steps_per_epoch,
        )
    return replace(before, **_of_stage(recipe, plan, before.net, place))


def _of_stage(recipe: Recipe, plan: Plan, built: Net, place: int) -> dict[str, Any]:
    """Return what is a stage's own; all else of the net is frozen."""
    train, card = stages.of(recipe)[place].train, itinerary.plans(plan)[place]
    table = groups.of_cards(card.groups, built.module)
    trained = [name for group in card.groups for name in group.names]
    sam, begin = train.optimizer.sam, itinerary.before(plan, place)
    course = _course(train, card)
    return {
        "prefix": len(card.prefix),
        "is_light": card.is_light,
        # On a processor so little work gains less by bf16 than the conversions take. Where the
        # recipe states what to compute in, it is that.
        "is_plain": card.is_light and plan.speed is not None and plan.device == "cpu",
        "frozen_norms": tuple(frozen.norms(built, trained, bn=train.bn)[1]),
        "asides": built.used_asides(trained),
        "optimizer": optimizers.make(train.optimizer, table),
        "rates": lambda step: [schedules.lr(group.lr, step - begin, course) for group in table],
        "momentum": lambda step: schedules.momentum(step - begin, course),
        "sharpness": Sharpness(rho=sam.rho, adaptive=sam.adaptive) if sam is not None else None,
    }


def _course(train: Train, card: Plan) -> Course:
    return Course(
        schedule=train.schedule,
        warmup=train.warmup,
        epochs=train.epochs,
        steps_per_epoch=card.steps_per_epoch,
    )


def _mean(recipe: Recipe, plan: Plan, built: Net, place: int) -> Ema | None:
    if recipe.train.ema is None or plan.ema_decay is None:
        return None
    return Ema(
        built.module,
        _averaged(recipe, plan, built, place),
        first_step=itinerary.before(plan, place),
        steps_per_epoch=itinerary.plans(plan)[place].steps_per_epoch,
        decay=plan.ema_decay,
        every=recipe.train.ema.every,
        warmup_steps=_course(stages.of(recipe)[0].train, itinerary.plans(plan)[0]).warmup_steps,
    )


def _averaged(recipe: Recipe, plan: Plan, built: Net, place: int) -> set[str]:
    """Return the names of what is averaged in a stage: all that has begun to change by then."""
    begun = [group for card in itinerary.plans(plan)[: place + 1] for group in card.groups]
    names = _changing(recipe, built, begun)
    if recipe.train.bn == "recalibrate":
        # They are taken anew wherever the mean is used.
        names -= norm_layers.buffer_names(built.module)
    return names


def changing(recipe: Recipe, plan: Plan, built: Net) -> set[str]:
    """Return the names of all tensors that any stage of the run changes.

    Not only the stages so far: who takes up a checkpoint of the first stage may hold a net that
    later ones have changed.
    """
    return _changing(recipe, built, plan.groups)


def _changing(recipe: Recipe, built: Net, cards: Iterable[GroupCard]) -> set[str]:
    names = checkpoint.changing(built.module, {name for card in cards for name in card.names})
    if recipe.train.bn != "eval":
        names |= norm_layers.buffer_names(built.module)
    return names


def _mixing(recipe: Recipe, plan: Plan) -> Mixing:
    return Mixing(
        ways=recipe.data.mix,
        classes=len(plan.data.classes),
        shift=recipe.data.repeats,
        seed=recipe.train.seed,
    )


def net(recipe: Recipe, plan: Plan) -> Net:
    """Build the net with its initial values.

    Raises:
        BadWeights, InputsChanged: as `training`.
    """
    size: dict[str, Any] = {"classes": len(plan.data.classes), "channels": plan.data.channels}
    if plan.weights.path is None:
        return build.fresh(recipe.model, **size, seed=recipe.train.seed)
    path = Path(plan.weights.path)
    contents = tensors.read(path)
    if contents.sha256 != plan.weights.sha256:
        raise InputsChanged(f"{path} has changed since the job was planned")
    whole = checkpoint.whole_net(path, contents)
    new = set(plan.weights.tensors_new)
    kept = {name: tensor for name, tensor in whole.items() if name not in new}
    return build.loaded(recipe.model, **size, tensors=kept, seed=recipe.train.seed)
