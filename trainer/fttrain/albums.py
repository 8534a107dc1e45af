"""What a run keeps of its images after what is done to all of them alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from fttrain import feeding
from fttrain.cache.album import Album
from fttrain.cache.room import Place, in_mb
from fttrain.data.ground import Groundwork
from fttrain.data.samples import Samples, Source
from fttrain.data.view import EvalView
from fttrain.spec.plan import PicturesCard, Plan
from fttrain.spec.recipe import Recipe

_SHARE = 2
"""Images take at most this part of what all caches may, so that features have room, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Albums:
    """The albums of a run, one for each of its streams; None where nothing is kept."""

    grounds: Sequence[Groundwork]
    """What is kept of training images; empty: nothing."""
    judged: Groundwork
    """What is done to images that are evaluated on."""
    place: Place
    lacks_room: str = ""
    """What to say where nothing is kept for want of room."""

    @classmethod
    def of(cls, recipe: Recipe, plan: Plan, source: Source, place: Place) -> Self:
        """Return the albums that a plan speaks of."""
        kept = {epoch: card for epoch, card in _cards(plan) if card is not None and card.is_kept}
        view = feeding.view(recipe, plan)
        grounds = {view.ground(epoch).digest: view.ground(epoch) for epoch in kept}
        size = max((card.bytes_per_image for card in kept.values()), default=0)
        wanted = size * (len(source.train) * len(grounds) + len(source.val))
        lacks_room = ""
        if wanted > place.most_bytes // _SHARE:
            lacks_room = (
                f"images are decoded in each epoch: kept, they would take {in_mb(wanted)}, more "
                f"than half of {place.share}"
            )
        return cls(
            grounds=() if lacks_room else tuple(grounds.values()),
            judged=EvalView(plan.preprocess.steps).ground(0),
            place=place,
            lacks_room=lacks_room,
        )

    def train(self, samples: Samples) -> Album | None:
        """Return the album of training images, as they are changed."""
        return self._begun(samples, self.grounds)

    def plain(self, samples: Samples) -> Album | None:
        """Return the album of images as they are evaluated on."""
        return self._begun(samples, [self.judged] if self.grounds else [])

    def _begun(self, samples: Samples, grounds: Sequence[Groundwork]) -> Album | None:
        return Album.begin(samples, grounds, self.place) if grounds else None


def _cards(plan: Plan) -> list[tuple[int, PicturesCard | None]]:
    """Return what is planned of images, by the first epoch that it holds for."""
    if not plan.stages:
        return [(1, plan.pictures)]
    return [(card.first_epoch, card.pictures) for card in plan.stages if card.epochs]
