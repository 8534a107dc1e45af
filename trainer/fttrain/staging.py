"""A training in stages: what each changes of the one before."""

from dataclasses import dataclass
from typing import Self

from fttrain import assembly
from fttrain.loop import Training
from fttrain.optim import optimizers
from fttrain.spec import itinerary
from fttrain.spec.plan import Plan
from fttrain.spec.recipe import Recipe


@dataclass(slots=True, kw_only=True)
class Staging:
    """A training as it is in the stage under way.

    A stage is entered when its first epoch is, and not before: so what a checkpoint at the edge
    between two stages holds is the end of the earlier one, however the run came there.
    """

    recipe: Recipe
    plan: Plan
    place: int
    """Which stage, counted from 0."""
    training: Training

    @classmethod
    def begun(cls, recipe: Recipe, plan: Plan, *, step: int) -> Self:
        """Build it as it was when so many steps were done, but for what a checkpoint holds.

        Raises:
            BadWeights, InputsChanged: as `assembly.training`.
        """
        place = itinerary.of_step(plan, step)
        training = assembly.training(recipe, plan, place=place)
        return cls(recipe=recipe, plan=plan, place=place, training=training)

    def enter(self, epoch: int) -> bool:
        """Turn to the stage of an epoch; return whether that is another one."""
        place = itinerary.of_epoch(self.plan, epoch)
        if place == self.place:
            return False
        before = self.training.optimizer
        self.training = assembly.turned(self.training, self.recipe, self.plan, place)
        if self.plan.stages[place].optimizer_state == "keep":
            optimizers.carry(before, self.training.optimizer)
        self.place = place
        return True
