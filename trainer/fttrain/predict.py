"""What a trained model says of images: the same decoding and the same view as in evaluation."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from fttrain.artifacts.export import ModelCard, read_model
from fttrain.data import decode, sources
from fttrain.data.decode import Pixels
from fttrain.data.view import EvalView, normalise
from fttrain.models.build import from_card
from fttrain.spec import rundir

MOST_PIXEL_BYTES = 64 * 2**20
"""Of a batch: a model may take images of 100 megapixels as they are."""


class NoModel(Exception):
    """A place where no model is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What the model says of one image."""

    path: Path
    label: str
    probability: float
    scores: tuple[float, ...]
    """The probability of each class, in the model's order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A model, ready to be asked."""

    net: torch.nn.Module
    card: ModelCard


def predict(model: Path, images: Iterable[Path], batch_size: int = 32) -> Iterator[Prediction]:
    """Yield what a model says of each image, in their order.

    `model` is the model's file, the folder it lies in, or the run directory that made it.

    Raises:
        NoModel: where there is none.
        BadModel: where the file is damaged, or of another version.
        BadImage: where an image cannot be read, after all before it.
    """
    yield from ask(read(model), images, batch_size)


def read(model: Path) -> Trained:
    """Read a model from a place that `predict` takes. Raises NoModel, BadModel."""
    tensors, card = read_model(find_model(model))
    net = from_card(card.model, len(card.classes), card.channels, tensors).eval()
    return Trained(net=net, card=card)


def ask(trained: Trained, images: Iterable[Path], batch_size: int = 32) -> Iterator[Prediction]:
    """Yield what a model that was read says of each image. Raises BadImage as `predict` does."""
    net, card = trained.net, trained.card
    paths: list[Path] = []
    pixels: list[Pixels] = []
    for path in images:
        try:
            seen = _see(path, card)
        except decode.BadImage:
            yield from _say(net, card, paths, pixels)
            raise
        # Where the model takes images as they are, those of one size go together.
        is_other = bool(pixels) and pixels[0].shape != seen.shape
        is_large = (len(paths) + 1) * seen.nbytes > MOST_PIXEL_BYTES
        if len(paths) == batch_size or is_other or is_large:
            yield from _say(net, card, paths, pixels)
            paths, pixels = [], []
        paths.append(path)
        pixels.append(seen)
    yield from _say(net, card, paths, pixels)


def find_model(place: Path) -> Path:
    """Return the model's file at a place that `predict` takes.

    Raises:
        NoModel: where there is none.
    """
    if place.is_file():
        return place
    if not place.is_dir():
        raise NoModel(f"there is no file or folder {place}")
    in_run = place / rundir.MODEL
    for candidate in (in_run, place / in_run.name):
        if candidate.is_file():
            return candidate
    raise NoModel(
        f"{place} has neither {rundir.MODEL} nor {in_run.name}; "
        "a run leaves its model there when it is complete"
    )


def _see(path: Path, card: ModelCard) -> Pixels:
    picture = decode.picture(path, sources.decoding(card.recipe.data))
    if card.channels == 1:
        picture = picture.convert("L")
    return EvalView(card.preprocess).pixels(picture)


def _say(
    net: torch.nn.Module, card: ModelCard, paths: list[Path], pixels: list[Pixels]
) -> Iterator[Prediction]:
    if not paths:
        return
    batch = torch.from_numpy(np.stack(pixels).transpose(0, 3, 1, 2).copy())
    with torch.inference_mode():
        scores = net(normalise(batch, card.preprocess)).softmax(dim=1)
    for path, row in zip(paths, scores.tolist(), strict=True):
        best = int(np.argmax(row))
        yield Prediction(
            path=path, label=card.classes[best], probability=row[best], scores=tuple(row)
        )
