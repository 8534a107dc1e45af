"""When two recipes mean the same, though they are written otherwise; and the reverse.

Weights are what their digest says, wherever the file lies. Images are what the digest of the split
says, whatever the folder is called.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ftctl.comparison import staging, wording
from ftctl.comparison.run import Run
from ftctl.comparison.setting import Role, Setting

SOURCE, NET = "(source)", "(net)"
"""Levels that are put in here and do not stand in a file."""
# Sections of `data` that are no source of images.
_NO_SOURCES = ("sampling", "preprocess")
# What they are made of stands in their options, not in the names of their images.
_MADE = ("digits", "fake")
_DIGEST_LETTERS = 8


def comparable(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Return the recipes of runs, in which equal values mean the same."""
    recipes = staging.unified([run.recipe for run in runs])
    same_images = _have_same_images(runs)
    weights = _weights(runs)
    nets = [_net(_section(run, "model")) for run in runs]
    if len({tuple(net) for net in nets}) > 1:
        named = [net.get("name") or wording.whole(net) for net in nets]
        nets = [{"": text} for text in named]
    return [
        {
            **recipe,
            "data": _data(recipe.get("data", {}), without_place=same_images),
            "model": {**_rest(_section(run, "model")), NET: net, "weights": text},
        }
        for run, recipe, net, text in zip(runs, recipes, nets, weights, strict=True)
    ]


def images(runs: Sequence[Run]) -> Iterator[Setting]:
    """Yield that images differ of which the recipes say the same."""
    digests = [run.fact("data", "split_digest") for run in runs]
    places = [_place(_section(run, "data")) for run in runs]
    if not all(digests) or len(set(digests)) == 1 or any(each != places[0] for each in places):
        return
    yield Setting(path="data.images", values=tuple(digests), shown=tuple(map(_images, runs)))


def preprocess(runs: Sequence[Run]) -> Iterator[Setting]:
    """Yield that images are prepared otherwise because the weights say so."""
    steps = [run.fact("preprocess", "steps") for run in runs]
    stated = [_section(run, "data").get("preprocess") for run in runs]
    if not all(isinstance(each, Mapping) for each in steps) or any(
        each != stated[0] for each in stated
    ):
        return
    keys = dict.fromkeys(key for each in steps for key in each)
    apart = [key for key in keys if any(each.get(key) != steps[0].get(key) for each in steps)]
    if apart:
        parts = [{key: each.get(key) for key in apart} for each in steps]
        shown = tuple(map(wording.whole, parts))
        yield Setting(path="data.preprocess", values=tuple(steps), shown=shown, role=Role.FOLLOWS)


def _have_same_images(runs: Sequence[Run]) -> bool:
    digests = {run.fact("data", "split_digest") for run in runs}
    return len(digests) == 1 and all(digests)


def _data(data: Mapping[str, Any], *, without_place: bool) -> dict[str, Any]:
    kind, rest = _source(data), dict(data)
    if not kind:
        return rest
    source = {kind: rest.pop(kind)}
    if without_place and kind not in _MADE:
        rest.pop("limit", None)
        return rest
    return {SOURCE: source, **rest}


def _source(data: Mapping[str, Any]) -> str:
    """Return the key that says where images come from; empty where there is none."""
    found = [
        key for key, value in data.items() if isinstance(value, Mapping) and key not in _NO_SOURCES
    ]
    return found[0] if found else ""


def _place(data: Mapping[str, Any]) -> object:
    kind = _source(data)
    return kind, data.get(kind), data.get("limit")


def _images(run: Run) -> str:
    counts = [run.fact("data", split, "images") for split in ("train", "val")]
    told = " + ".join(f"{count:,}" for count in counts if isinstance(count, int))
    return f"{told} ({run.fact('data', 'split_digest')[:_DIGEST_LETTERS]})"


def _net(model: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: value for key, value in model.items() if key == "name" or isinstance(value, Mapping)
    }


def _rest(model: Mapping[str, Any]) -> dict[str, Any]:
    net = _net(model)
    return {key: value for key, value in model.items() if key not in net}


def _weights(runs: Sequence[Run]) -> list[str]:
    """Return what runs start from: texts that are equal exactly where the weights are."""
    texts = [str(_section(run, "model").get("weights", "none")) for run in runs]
    digests = [run.fact("weights", "sha256") for run in runs]
    if all(digests) and len(set(digests)) == 1:
        return texts[:1] * len(texts)
    named = {text: {d for t, d in zip(texts, digests, strict=True) if t == text} for text in texts}
    return [
        f"{text} ({digest[:_DIGEST_LETTERS]})" if digest and len(named[text]) > 1 else text
        for text, digest in zip(texts, digests, strict=True)
    ]


def _section(run: Run, name: str) -> Mapping[str, Any]:
    section = run.recipe.get(name)
    return section if isinstance(section, Mapping) else {}
