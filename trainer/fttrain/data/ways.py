"""The ways in which a view sees an image, where there are finitely many.

An image that is not changed is seen in one way, one that may be flipped in two; `data.views` lets
random changes be drawn so many times only. What a way makes of an image can be worked out once
and kept.
"""

from dataclasses import dataclass
from typing import Any, Self

from fttrain.data.augment.apply import applied
from fttrain.data.augment.picture import Picture, array
from fttrain.data.chance import Draws
from fttrain.data.decode import Pixels
from fttrain.data.ground import PLAIN, Groundwork
from fttrain.data.order import Indices
from fttrain.data.view import EvalView, TrainView

_MOST_DRAWN = 2


@dataclass(frozen=True, slots=True)
class Ways:
    """The ways of one view, by number from 0."""

    view: TrainView
    drawn: tuple[int, ...]
    """The places in its list of what is done, or not, by chance."""

    @classmethod
    def of(cls, view: TrainView | EvalView) -> Self | None:
        """Return the ways of a view; None where they have no end."""
        if isinstance(view, EvalView):
            return cls(TrainView(view.preprocess, (), 0), ())
        if view.views is not None:
            return cls(view, ())
        if any(choice.kind not in PLAIN for choice in view.augment):
            return None
        drawn = [place for place, choice in enumerate(view.augment) if choice.value.p < 1]
        return cls(view, tuple(drawn)) if len(drawn) <= _MOST_DRAWN else None

    @property
    def count(self) -> int:
        """How many there are."""
        return self.view.views or 2 ** len(self.drawn)

    @property
    def card(self) -> dict[str, Any]:
        """What decides about the pixels of a way."""
        is_drawn = self.view.views is not None
        return {
            "preprocess": self.view.preprocess.model_dump(mode="json"),
            "augment": [choice.model_dump(mode="json") for choice in self.view.augment],
            "drawn": self.drawn,
            "seed": self.view.seed if is_drawn else None,
        }

    def name(self, *, number: int, index: int) -> bytes:
        """Return what tells the pixels of an image in one way from those in another."""
        # What is drawn for an image depends on its number in the set.
        return b"%d/%d" % (number, index) if self.view.views is not None else b"%d" % number

    def number(self, *, epoch: int, index: int, repeat: int) -> int:
        """Return in which way the view sees an image."""
        if self.view.views is not None:
            return self.view.turn(epoch=epoch, index=index, repeat=repeat)
        if not self.drawn:
            return 0
        bits = (
            self._is_done(place, epoch=epoch, index=index, repeat=repeat) << bit
            for bit, place in enumerate(self.drawn)
        )
        return sum(bits)

    def ground(self, epoch: int) -> Groundwork:
        """Return what all ways have in common."""
        return self.view.ground(epoch)

    def is_batched(self, epoch: int) -> bool:
        """Return False: what is made once need not be made fast."""
        return False

    def changed(
        self, rows: Pixels, *, epoch: int, indices: Indices, repeats: Indices
    ) -> Pixels | None:
        """Return None: one at a time."""
        return None

    def finished(self, picture: Picture, *, epoch: int, index: int, repeat: int) -> Pixels:
        """Return, in one way, a picture after its groundwork.

        The number of the way stands in the place of the repeat.
        """
        number = repeat
        if self.view.views is not None:
            return self.view.drawn(picture, epoch=number, index=index, repeat=0)
        seen = picture
        for place, choice in self.view.rest:
            if place not in self.drawn or number >> self.drawn.index(place) & 1:
                always = choice.model_copy(
                    update={choice.kind: choice.value.model_copy(update={"p": 1.0})}
                )
                seen = applied(seen, always, Draws(), self.view.preprocess)
        return array(seen)

    def _is_done(self, place: int, *, epoch: int, index: int, repeat: int) -> bool:
        draws = Draws(self.view.seed, epoch, index, place, repeat)
        share: float = self.view.augment[place].value.p
        return draws.uniform() < share
