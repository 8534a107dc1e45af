"""What a plan says of its stages, each and all together."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fttrain.draft import Draft
from fttrain.spec.plan import PicturesCard, StageCard
from fttrain.stagedraft import StageDraft


def numbers(draft: Draft) -> dict[str, Any]:
    """Return what a plan says of steps, net and groups, and its stages where there are several."""
    cards = list(_cards(draft))
    net = draft.net.module
    told: dict[str, Any] = {
        "parameters": sum(parameter.numel() for parameter in net.parameters()),
        "epochs": sum(card.epochs for card in cards),
        "steps": sum(card.steps for card in cards),
        "groups": [group for card in cards for group in card.groups],
        "prefix": min((card.prefix for card in cards), key=len),
        "batch_norm_eval": min(card.batch_norm_eval for card in cards),
        "parameters_trained": sum(net.get_parameter(name).numel() for name in draft.trained),
        "stages": cards if draft.recipe.train.stages else [],
        "features": cards[0].features if not draft.recipe.train.stages else None,
        "pictures": cards[0].pictures if not draft.recipe.train.stages else None,
        "is_light": cards[0].is_light if not draft.recipe.train.stages else False,
    }
    most = "steps_per_epoch", "activation_bytes", "batch_norm_train"
    return told | {name: max(getattr(card, name) for card in cards) for name in most}


def pictures(staged: Mapping[str, Any]) -> list[PicturesCard]:
    """Return what numbers say of the images of each stage."""
    return [card.pictures for card in staged["stages"]] or [staged["pictures"]]


def notices(cards: Sequence[StageCard], max_steps: int | None) -> Iterator[str]:
    """Say which stages are never reached."""
    missed = [str(place) for place, card in enumerate(cards, start=1) if card.steps == 0]
    if missed:
        which = f"stages {' and '.join(missed)} are" if missed[1:] else f"stage {missed[0]} is"
        yield f"max_steps is {max_steps}: {which} never reached"


def _cards(draft: Draft) -> Iterator[StageCard]:
    left, epoch, step = draft.recipe.train.max_steps, 1, 1
    for place, stage in enumerate(draft.stages):
        steps = stage.course.steps if left is None else min(stage.course.steps, left)
        card = _card(draft, place, stage, first_epoch=epoch, first_step=step, steps=steps)
        yield card
        left = left - steps if left is not None else None
        epoch, step = epoch + card.epochs, step + steps


def _card(draft: Draft, place: int, stage: StageDraft, *, steps: int, **first: int) -> StageCard:
    per_epoch, stated = stage.course.steps_per_epoch, draft.recipe.train.stages
    return StageCard(
        epochs=-(-steps // per_epoch),
        steps=steps,
        steps_per_epoch=per_epoch,
        optimizer_state=stated[place].optimizer_state if stated else "reset",
        **first,
        **stage.numbers(),
    )
