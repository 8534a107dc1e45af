"""Whether what the frozen blocks of a net make of images can be made once and kept."""

import torch

from fttrain.data.view import TrainView
from fttrain.data.ways import Ways
from fttrain.models.skimming import skimmed
from fttrain.models.zoo import Net
from fttrain.spec.plan import FeaturesCard
from fttrain.spec.recipe import Recipe


def card(
    net: Net,
    recipe: Recipe,
    view: TrainView,
    *,
    is_part: bool,
    prefix: int,
    shape: tuple[int, int, int],
) -> FeaturesCard | None:
    """Return what a plan says of it; None where no block runs ahead.

    Args:
        net: on the meta device.
        recipe: of one stage.
        is_part: True if there are other stages.
        view: of its training images.
        prefix: so many blocks run ahead.
        shape: of an image, (C, H, W).
    """
    if prefix == 0:
        return None
    size = feature_bytes(net, shape, prefix=prefix)
    ways = Ways.of(view)
    why = _why_not(recipe, ways, is_part=is_part)
    views = ways.count if ways is not None and not why else 0
    return FeaturesCard(views=views, bytes_per_view=size, why=why)


def feature_bytes(net: Net, shape: tuple[int, int, int], *, prefix: int) -> int:
    """Return how much what the first blocks make of one image takes in fp32; bf16 takes half."""
    net.module.eval()
    seen = torch.empty((1, *shape), device="meta")
    with torch.no_grad(), skimmed(net.module):
        for block in net.blocks[:prefix]:
            seen = block.run(seen)
    return seen.numel() * seen.element_size()


def _why_not(recipe: Recipe, ways: Ways | None, *, is_part: bool) -> str:
    data, train = recipe.data, recipe.train
    if data.cache == "none":
        return "data.cache is none"
    if data.mix:
        return "data.mix makes new images of each batch"
    if train.bn == "recalibrate":
        return "train.bn recalibrate changes the frozen blocks before each evaluation"
    if train.ema is not None and is_part:
        return "train.ema judges by means of what another stage may have trained"
    if ways is None:
        return "random changes show an image anew in each epoch; data.views draws them so often"
    if ways.count > train.epochs:
        epochs = "1 epoch needs" if train.epochs == 1 else f"{train.epochs} epochs need"
        return f"an image has {ways.count} views, and {epochs} fewer"
    return ""
