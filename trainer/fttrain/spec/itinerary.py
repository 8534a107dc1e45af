"""Where a run is among its stages: pure functions of its plan.

Epochs and steps count from 1 over all stages of one repeat.
"""

from fttrain.spec.plan import Plan, StageCard


def plans(plan: Plan) -> tuple[Plan, ...]:
    """Return one plan per stage, each as if its stage were all of the run."""
    if not plan.stages:
        return (plan,)
    return tuple(
        plan.model_copy(
            update={
                "stages": [],
                **{name: getattr(card, name) for name in type(card).model_fields if name in _FLAT},
            }
        )
        for card in plan.stages
    )


_FLAT = (
    "epochs", "steps", "steps_per_epoch", "prefix", "groups", "parameters_trained",
    "activation_bytes", "batch_norm_eval", "batch_norm_train", "features", "pictures", "is_light",
)  # fmt: skip


def steps_until(plan: Plan, epochs: int) -> int:
    """Return how many steps so many epochs have."""
    done = 0
    for stage in plan.stages or (plan,):
        here = max(min(epochs, stage.epochs), 0)
        done += min(here * stage.steps_per_epoch, stage.steps)
        epochs -= stage.epochs
    return done


def of_epoch(plan: Plan, epoch: int) -> int:
    """Return in which stage, counted from 0, an epoch lies; 0 for epoch 0, before any training."""
    begun = [place for place, card in enumerate(plan.stages) if card.first_epoch <= epoch]
    return max((place for place in begun if plan.stages[place].epochs), default=0)


def of_step(plan: Plan, step: int) -> int:
    """Return in which stage, counted from 0, a step was made; 0 for step 0, before any training."""
    begun = [place for place, card in enumerate(plan.stages) if card.first_step <= step]
    return max((place for place in begun if plan.stages[place].steps), default=0)


def card(plan: Plan, epoch: int) -> Plan | StageCard:
    """Return what is planned of the stage that an epoch lies in."""
    return plan.stages[of_epoch(plan, epoch)] if plan.stages else plan


def before(plan: Plan, place: int) -> int:
    """Return how many steps come before a stage, counted from 0."""
    return plan.stages[place].first_step - 1 if plan.stages else 0


def number(plan: Plan, place: int) -> int:
    """Return what people call a stage: from 1; 0 where there is but one."""
    return place + 1 if len(plan.stages) > 1 else 0


def told(plan: Plan, epoch: int) -> int:
    """Return what people call the stage of an epoch; 0 for epoch 0, too."""
    return number(plan, of_epoch(plan, epoch)) if epoch else 0


def is_last_epoch(plan: Plan, epoch: int) -> bool:
    """Return whether an epoch is the last of its stage."""
    return epoch == plan.epochs or of_epoch(plan, epoch) != of_epoch(plan, epoch + 1)
