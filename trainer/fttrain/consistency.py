"""The consistency card: how the weights were trained, beside how a recipe trains."""

from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from typing import Any, Literal

from pydantic import BaseModel

from fttrain import pretraining
from fttrain.models import known, zoo
from fttrain.models.weights import Lineage
from fttrain.optim.groups import rate_of
from fttrain.pretraining import Pretraining, Training
from fttrain.spec.augmentation import Augmentation
from fttrain.spec.images import Preprocess
from fttrain.spec.optimization import Group, Optimizer
from fttrain.spec.plan import ConsistencyCard, ConsistencyRow
from fttrain.spec.recipe import Recipe
from fttrain.spec.schedules import Warmup
from fttrain.spec.stages import of as stages_of
from fttrain.spec.training import Ema, Train

NOT_STATED: Literal["not stated"] = "not stated"
_NONE = "none"
_NAMES = {
    "optimizer": "optimizer",
    "rate": "learning rate",
    "images": "images per step",
    "schedule": "schedule",
    "warmup": "warm-up",
    "epochs": "epochs",
    "weight_decay": "weight decay",
    "norm_weight_decay": "norm decay",
    "bias_weight_decay": "bias decay",
    "label_smoothing": "label smoothing",
    "augment": "augmentation",
    "erasing": "random erasing",
    "mix": "mix",
    "repeats": "image repeats",
    "clip": "gradient clip",
    "ema": "mean of weights",
    "side": "train size",
}
_ALWAYS = ("gamma",)
"""Options that are told at their defaults, too."""
_FAR = 2.0
"""So many times as many images per step ask for another learning rate."""


def card(
    stages: Sequence[Recipe], lineage: Lineage | None, steps: Preprocess
) -> ConsistencyCard | None:
    """Return the card of a recipe, by its stages; None where nobody made its weights known.

    Args:
        stages: one flat recipe for each.
        lineage: of the weights.
        steps: how images become input in this run.
    """
    if lineage is None:
        return None
    theirs = _known(lineage)
    ours = over_stages([of_recipe(stage, steps) for stage in stages])
    pairs = [*_training(theirs.training, ours), *_evaluation(lineage.preprocess, steps)]
    return ConsistencyCard(
        origin=lineage.origin,
        facts=list(theirs.facts),
        sources=list(theirs.sources),
        rows=[
            ConsistencyRow(
                name=name,
                weights=NOT_STATED if there is None else there,
                recipe=here,
                verdict=NOT_STATED if there is None else "same" if there == here else "different",
            )
            for name, there, here in pairs
        ],
    )


def notices(made: ConsistencyCard) -> Iterator[str]:
    """Say where a learning rate is that of the weights and the images per step are not."""
    rows = {row.name: row for row in made.rows}
    rate, images, optimizer = (rows[_NAMES[name]] for name in ("rate", "images", "optimizer"))
    numbers = (images.weights, images.recipe)
    is_copied = rate.verdict == "same" and _kind(optimizer.weights) == _kind(optimizer.recipe)
    if not is_copied or not all(number.isdecimal() for number in numbers):
        return
    there, here = map(int, numbers)
    is_one = {",", "→"}.isdisjoint(rate.recipe)
    if is_one and max(there / here, here / there) >= _FAR:
        yield (
            f"lr {rate.recipe} was used with {there:,} images per step there ({made.origin}), "
            f"here {here:,}; linear scaling would give {float(rate.recipe) * here / there:.2g}"
        )


def of_recipe(recipe: Recipe, steps: Preprocess) -> Training:
    """Say in words how a flat recipe trains."""
    data, train = recipe.data, recipe.train
    options = train.optimizer.plain.value
    erasing = [each.value for each in data.augment if each.kind == "random_erasing"]
    changes = [each for each in data.augment if each.kind != "random_erasing"]
    own = [group.weight_decay for group in train.groups] or [None]
    return Training(
        optimizer=_optimizer(train.optimizer),
        rate=_rates(train),
        images=str(train.batch_size * train.accumulate),
        schedule=_choice(train.schedule),
        warmup=_warmup(train.warmup),
        epochs=str(train.epochs),
        weight_decay=_listed([options.weight_decay if each is None else each for each in own]),
        norm_weight_decay=_decay(train.norm_weight_decay),
        bias_weight_decay=_decay(train.bias_weight_decay),
        label_smoothing=_positive(getattr(train.loss.value, "label_smoothing", 0.0)),
        augment=", ".join(map(_change, changes)) or _NONE,
        erasing=", ".join(_erased(each) for each in erasing) or _NONE,
        mix=" or ".join(_mixed(each) for each in data.mix) or _NONE,
        repeats=_NONE if data.repeats == 1 else f"{data.repeats} times",
        clip=_NONE if train.clip_norm is None else f"{train.clip_norm:g}",
        ema=_ema(train.ema),
        side=_side(data.augment, steps),
    )


def over_stages(stages: Sequence[Training]) -> Training:
    """Join what stages say; where they differ, one after the other. Epochs are added up."""
    joined = {}
    for field in fields(Training):
        told = [getattr(stage, field.name) or NOT_STATED for stage in stages]
        joined[field.name] = told[0] if len(set(told)) == 1 else " → ".join(told)
    epochs = [int(stage.epochs or 0) for stage in stages]
    return replace(Training(**joined), epochs=str(sum(epochs)))


# --- both sides -------------------------------------------------------------------------------


def _known(lineage: Lineage) -> Pretraining:
    if lineage.recipe is not None:
        theirs = stages_of(lineage.recipe)
        training = over_stages([of_recipe(stage, lineage.preprocess) for stage in theirs])
        return Pretraining(training=training, sources=(), facts=_of_job(lineage))
    name = lineage.net.name
    members = known.published(name) if name is not None and zoo.is_published(name) else []
    for member in members:
        if member.origin == lineage.origin:
            return pretraining.published(member.net, member.member)
    return Pretraining(training=Training(), sources=(), facts=())


def _of_job(lineage: Lineage) -> tuple[str, ...]:
    shown = ", ".join(lineage.classes[:3]) + (", ..." if len(lineage.classes) > 3 else "")
    start = lineage.recipe.model.weights if lineage.recipe is not None else _NONE
    return f"{len(lineage.classes):,} classes: {shown}", f"started from weights `{start}`"


def _training(theirs: Training, ours: Training) -> Iterator[tuple[str, str | None, str]]:
    for field, name in _NAMES.items():
        yield name, getattr(theirs, field), getattr(ours, field)


def _evaluation(theirs: Preprocess, ours: Preprocess) -> Iterator[tuple[str, str, str]]:
    for name, field in (("eval resize", "resize"), ("eval crop", "crop")):
        yield name, _side_of(theirs, field), _side_of(ours, field)
    yield "interpolation", theirs.interpolation, ours.interpolation
    yield "mean", _listed(theirs.mean, unique=False), _listed(ours.mean, unique=False)
    yield "std", _listed(theirs.std, unique=False), _listed(ours.std, unique=False)


def _side_of(steps: Preprocess, field: str) -> str:
    side = getattr(steps, field)
    return _NONE if side is None else str(side)


# --- in words ---------------------------------------------------------------------------------


def _rates(train: Train) -> str:
    lr, images = train.optimizer.plain.value.lr, train.batch_size * train.accumulate
    stated = train.groups or [Group(select=train.trains)]
    told = _listed([rate_of(group, lr, images)[0] for group in stated])
    return told if train.layer_decay is None else f"{told}, layer decay {train.layer_decay:g}"


def _optimizer(optimizer: Optimizer) -> str:
    plain = optimizer.plain
    told = plain.kind + _options(plain.value, without=("lr", "weight_decay"))
    if optimizer.sam is None:
        return told
    return f"sam{_options(optimizer.sam, without=('base',))} of {told}"


def _warmup(warmup: Warmup | None) -> str:
    if warmup is None:
        return _NONE
    count, unit = warmup.epochs, "epoch"
    if warmup.steps is not None:
        count, unit = warmup.steps, "step"
    return f"{count} {unit}{'' if count == 1 else 's'} from {warmup.start:g}"


def _ema(ema: Ema | None) -> str:
    if ema is None:
        return _NONE
    told = f"decay {ema.decay:g} every {ema.every} steps"
    return f"{told}, adjusted" if ema.adjust else told


def _change(stated: Augmentation) -> str:
    size = getattr(stated.value, "size", None)
    name = stated.kind if size is None else f"{stated.kind} {size}"
    return name + _options(stated.value, without=("size",))


def _erased(options: BaseModel) -> str:
    return f"p {getattr(options, 'p', 1):g}{_options(options, without=('p',))}"


def _mixed(stated: Any) -> str:
    return f"{stated.kind} {stated.value.alpha:g}{_options(stated.value, without=('alpha',))}"


def _side(augment: Sequence[Augmentation], steps: Preprocess) -> str:
    sizes = [each.value.size for each in augment if hasattr(each.value, "size")]
    side = sizes[-1] if sizes else steps.crop or steps.resize
    return "as they are" if side is None else str(side)


def _choice(stated: Any) -> str:
    return str(stated.kind) + _options(stated.value)


def _options(options: BaseModel, *, without: Sequence[str] = ()) -> str:
    """Return what is not at its default, such as ` (every 30, gamma 0.1)`."""
    told = [
        f"{name} {_value(getattr(options, name))}"
        for name, field in type(options).model_fields.items()
        if name not in without
        and (name in _ALWAYS or getattr(options, name) != field.default)
        and getattr(options, name) is not None
    ]
    return f" ({', '.join(told)})" if told else ""


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list | tuple):
        return f"[{_listed(value, unique=False)}]"
    return str(value)


def _listed(values: Sequence[Any], *, unique: bool = True) -> str:
    chosen = dict.fromkeys(values) if unique else values
    return ", ".join(_value(value) for value in chosen)


def _decay(value: float | None) -> str:
    return "as others" if value is None else f"{value:g}"


def _positive(value: float) -> str:
    return f"{value:g}" if value else _NONE


def _kind(optimizer: str) -> str:
    return optimizer.partition(" ")[0]
