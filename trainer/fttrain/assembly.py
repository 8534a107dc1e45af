"""From recipe and plan to all that the loop needs."""

from pathlib import Path
from typing import Any

import torch

from fttrain.loop import Training
from fttrain.models import build, frozen, tensors
from fttrain.models.zoo import Net
from fttrain.optim import groups, losses, optimizers, schedules
from fttrain.optim.schedules import Course
from fttrain.optim.sharpness import Sharpness
from fttrain.spec.plan import Plan
from fttrain.spec.recipe import Recipe
from fttrain.state import checkpoint

_LAYOUTS = {
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
    layout = _LAYOUTS[plan.layout]
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
        frozen_norms=tuple(frozen.norms(built, trained)[1]),
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
        clip_value=recipe.train.clip_value,
        clip_norm=recipe.train.clip_norm,
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
