"""What a net starts from: the recipe's `model.weights`, found and read."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from fttrain.artifacts import export
from fttrain.models import download, known, tensors, timm_nets, zoo
from fttrain.models.known import Published
from fttrain.models.tensors import BadWeights, Contents
from fttrain.spec import network
from fttrain.spec.faults import Fault, RecipeFaults
from fttrain.spec.images import Preprocess
from fttrain.spec.nearest import nearest
from fttrain.spec.recipe import Recipe
from fttrain.state import checkpoint

Fetch = Callable[..., None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """The job, or publisher, whose net these weights are."""

    net: network.Model
    classes: tuple[str, ...]
    """In the order of the net's outputs."""
    preprocess: Preprocess
    origin: str
    """Who says so: `weights mobilenet_v2 IMAGENET1K_V1`, `job pretrain`."""
    recipe: Recipe | None = None
    """Of the job that made them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """Weights in memory, with what is known of them."""

    path: Path
    sha256: str
    tensors: dict[str, Tensor]
    lineage: Lineage | None


def find(model: network.Model, references: Mapping[str, str], *, cache: Path) -> Path | None:
    """Return the file that `model.weights` means, whether it is there or not.

    None stands for `none`. `references` maps `job:NAME/best` to a file; `cache` holds published
    weights.

    Raises:
        RecipeFaults: on `model.weights`, where it means nothing.
    """
    text = model.weights
    if text == "none":
        return None
    if text.startswith("file:"):
        return Path(text.removeprefix("file:"))
    if text.startswith("job:"):
        if text not in references:
            raise _fault(f"no job is known here that `{text}` could mean; use `file:PATH`")
        return Path(references[text])
    if text == "timm":
        return cache / timm_nets.published(_timm_name(model))[1]
    return cache / _member(model, text).file


def published_cache() -> Path:
    """Return the folder in which torch.hub keeps published weights."""
    return Path(torch.hub.get_dir()) / "checkpoints"


def read(
    model: network.Model, references: Mapping[str, str], *, cache: Path, fetch: Fetch | None = None
) -> Weights | None:
    """Find and read the weights of a recipe; published ones are downloaded where they miss.

    Raises:
        RecipeFaults: on `model.weights`, where there is no such file or it cannot be used.
    """
    path = find(model, references, cache=cache)
    if path is None:
        return None
    try:
        if not model.weights.startswith(("file:", "job:")) and not path.exists():
            _download(model, path, fetch or download.fetch)
        contents = tensors.read(path)
        _check_name(model, path, contents)
        return Weights(
            path=path,
            sha256=contents.sha256,
            tensors=checkpoint.whole_net(path, contents),
            lineage=_lineage(model, path, contents),
        )
    except (BadWeights, export.BadModel) as bad:
        raise _fault(str(bad)) from None


def _member(model: network.Model, text: str) -> Published:
    if model.name is None:
        raise _fault(f"`{text}` is unknown; a `cnn` starts from none, file:PATH or job:NAME/best")
    zoo.check_name(model.name)
    members = _published(model)
    for member in members:
        if member.member == text:
            return member
    if "/" in text:
        raise _fault(f"`{text}` is unknown; a file is named as `file:{text}`")
    timm = ["timm"] if model.name.startswith(zoo.TIMM) else []
    names = ["none", *timm, *(member.member for member in members)]
    near = nearest(text, names)
    meant = f". Did you mean `{near}`?" if near else ""
    listed = f"{', '.join(names)}, file:PATH, job:NAME/best"
    raise _fault(f"`{text}` is unknown for {model.name}; known: {listed}{meant}")


def _timm_name(model: network.Model) -> str:
    if model.name is None or not model.name.startswith(zoo.TIMM):
        raise _fault("`timm` stands for weights of nets of timm; the net is none")
    return model.name


def _download(model: network.Model, path: Path, fetch: Fetch) -> None:
    if model.weights == "timm":
        url, sha256_begin = timm_nets.published(_timm_name(model))[0], ""
    else:
        member = _member(model, model.weights)
        url, sha256_begin = member.url, member.sha256_begin
    try:
        fetch(url, path, sha256_begin=sha256_begin)
    except BadWeights as bad:
        raise BadWeights(
            f"{bad}; download it elsewhere and put it at {path}, or name it as `file:PATH`"
        ) from None


def _check_name(model: network.Model, path: Path, contents: Contents) -> None:
    """A file that bears a published name must be the published file."""
    for published in _published(model):
        named, given = published.sha256_begin, contents.sha256
        if path.name == published.file and not given.startswith(named):
            raise BadWeights(
                f"{path} is damaged: its SHA-256 begins with {given[: len(named)]}, its name says "
                f"{named}; download it again"
            )


def _published(model: network.Model) -> list[Published]:
    return known.published(model.name) if model.name and zoo.is_published(model.name) else []


def _lineage(model: network.Model, path: Path, contents: Contents) -> Lineage | None:
    if checkpoint.is_checkpoint(contents):
        card = checkpoint.Card.of(contents, path)
        return Lineage(
            net=card.recipe.model,
            classes=tuple(card.plan.data.classes),
            preprocess=card.plan.preprocess.steps,
            origin=f"job {card.job_name}",
            recipe=card.recipe,
        )
    if "format_version" in contents.metadata:
        _, exported = export.read_model(path)
        return Lineage(
            net=exported.model,
            classes=exported.classes,
            preprocess=exported.preprocess,
            origin=f"job {exported.origin.job_name}",
            recipe=exported.recipe,
        )
    for published in _published(model):
        if contents.sha256.startswith(published.sha256_begin):
            return Lineage(
                net=network.Model(name=model.name),
                classes=published.classes,
                preprocess=published.preprocess,
                origin=published.origin,
            )
    return None


def keeps_head(model: network.Model, lineage: Lineage | None, classes: tuple[str, ...]) -> bool:
    """Decide whether the head of the weights stays: only for the same net and classes.

    Raises:
        RecipeFaults: on `model.head`, where it shall stay and cannot.
    """
    if model.head == "new":
        return False
    fits = lineage is not None and _shape(lineage.net) == _shape(model)
    if fits and lineage is not None and lineage.classes == classes:
        return True
    if model.head != "keep":
        return False
    raise RecipeFaults([Fault(field="model.head", description=_why_not(model, lineage, classes))])


def _shape(model: network.Model) -> tuple[object, ...]:
    return *model.net, model.layers


def _why_not(model: network.Model, lineage: Lineage | None, classes: tuple[str, ...]) -> str:
    if lineage is None:
        why = f"`{model.weights}` says nothing of the classes of its head"
    elif lineage.classes != classes:
        why = (
            f"the head of `{model.weights}` has {_named(lineage.classes)}, the data "
            f"{_named(classes)}"
        )
    elif lineage.net.net == model.net:
        return (
            f"cannot keep the head: that of `{model.weights}` has layers of its own; list the same "
            "under `head`"
        )
    else:
        why = f"`{model.weights}` is of another net"
    return f"cannot keep the head: {why}; say `head: new`"


def _named(classes: tuple[str, ...]) -> str:
    shown = ", ".join(classes[:3]) + (", ..." if len(classes) > 3 else "")
    return f"{len(classes)} classes ({shown})"


def _fault(description: str) -> RecipeFaults:
    return RecipeFaults([Fault(field="model.weights", description=description)])
