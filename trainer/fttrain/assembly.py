"""From recipe and plan to all that the loop needs."""

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
from fttrain.precision import Precision
from fttrain.spec.plan import Plan
from fttrain.spec.recipe import Recipe
from fttrain.state import checkpoint

LAYOUTS = {
    "contiguous": torch.contiguous_format,
    "channels_last": torch.channels_last,
}


class InputsChanged(Exception):
    """Files are not what the plan saw."""


def training(recipe: Recipe, plan: Plan) -> Training:
    """Build net and optimizer as planned.

    Raises:
        BadWeights: where the weights cannot be read.
        InputsChanged: where they are not those that the plan saw.
    """
    layout = LAYOUTS[plan.layout]
    built = net(recipe, plan)
    built.module.to(device=plan.device, memory_format=layout)  # type: ignore[call-overload]
    table = groups.of_cards(plan.groups, built.module)
    trained = [name for group in plan.groups for name in group.names]
    sam = recipe.train.optimizer.sam
    course = Course(
        schedule=recipe.train.schedule,
        warmup=recipe.train.warmup,
        epochs=recipe.train.epochs,
        steps_per_epoch=plan.steps_per_epoch,
    )
    return Training(
        net=built,
        prefix=len(plan.prefix),
        frozen_norms=tuple(frozen.norms(built, trained, bn=recipe.train.bn)[1]),
        asides=built.used_asides(trained),
        optimizer=optimizers.make(recipe.train.optimizer, table),
        rates=lambda step: [schedules.lr(group.lr, step, course) for group in table],
        momentum=lambda step: schedules.momentum(step, course),
        sharpness=Sharpness(rho=sam.rho, adaptive=sam.adaptive) if sam is not None else None,
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
        ema=_mean(recipe, plan, built, course),
    )


def _mean(recipe: Recipe, plan: Plan, built: Net, course: Course) -> Ema | None:
    if recipe.train.ema is None or plan.ema_decay is None:
        return None
    names = changing(recipe, plan, built)
    if recipe.train.bn == "recalibrate":
        # They are taken anew wherever the mean is used.
        names -= norm_layers.buffer_names(built.module)
    return Ema(
        built.module,
        names,
        decay=plan.ema_decay,
        every=recipe.train.ema.every,
        steps_per_epoch=plan.steps_per_epoch,
        warmup_steps=course.warmup_steps,
    )


def changing(recipe: Recipe, plan: Plan, built: Net) -> set[str]:
    """Return the names of all tensors that the run changes."""
    trained = {name for group in plan.groups for name in group.names}
    names = checkpoint.changing(built.module, trained)
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
