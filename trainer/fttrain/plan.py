"""The one place that decides how a recipe will be run."""

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from fttrain import balance, continuing, environment, numerics, outlook, stagecards
from fttrain.artifacts import tensorboard
from fttrain.data import sources
from fttrain.data import split as splits
from fttrain.data.augment import costs
from fttrain.data.decode import DENIED
from fttrain.data.samples import Samples
from fttrain.draft import Draft
from fttrain.models import norms, weights, work
from fttrain.optim import ema
from fttrain.results.measures import MOST_CLASSES
from fttrain.spec import images, rundir
from fttrain.spec import recipe as recipes
from fttrain.spec.faults import RecipeFaults
from fttrain.spec.plan import DataCard, Means, Plan, Split, WeightsCard
from fttrain.spec.recipe import Recipe
from fttrain.spec.training import Train
from fttrain.stagedraft import StageDraft

# Measured on a frozen MobileNetV2 at 224 pixels, per image on 1 and 2 threads: 8.7 and 3.8 ms in
# chunks of 8, 6.1 and 3.8 of 16, 6.1 and 4.0 of 32.
CHUNK = 16
_AT_HAND = 2 << 30
"""Bytes of small pictures that are taken by the batch from a shelf."""


def make(
    recipe: Recipe, *, references: Mapping[str, str], means: Means, cache: Path | None = None
) -> Plan:
    """Decide how a recipe runs by such means.

    A pure function of the arguments and of the files that the recipe names; `references` maps
    `job:NAME/best` to a file and `dataset:NAME` to a folder. What is learned of image files is
    kept in `cache`.

    Raises:
        RecipeFaults: with all faults found.
    """
    draft = Draft(recipe=recipe, references=references, cache=cache)
    draft.check()
    staged, ahead = stagecards.numbers(draft), _outlook(draft)
    chosen = numerics.choose(draft, device=means.device, chunk=CHUNK, cache=cache)
    return Plan(
        recipe_digest=recipes.digest(recipe),
        environment=environment.now(means.accelerator),
        device=means.device,
        threads=_threads(recipe, means.cpus),
        layout=chosen.layout,
        precision=chosen.precision,
        speed=chosen.speed,
        loader_workers=_loader_workers(draft, staged),
        chunk=CHUNK,
        data=_data_card(draft),
        preprocess=draft.preprocess,
        weights=_weights_card(draft),
        consistency=ahead.consistency,
        continued=draft.continued,
        rates=ahead.rates,
        macs=draft.macs,
        class_weights=draft.weighting.loss,
        sampling_weights=draft.weighting.sampling,
        notices=[
            *_notices(draft),
            *stagecards.notices(staged["stages"], recipe.train.max_steps),
            *_warnings(draft, means),
            *_costs(draft, means, _loader_workers(draft, staged)),
            *ahead.notices,
        ],
        batch_size=recipe.train.batch_size,
        accumulate=recipe.train.accumulate,
        repeats=recipe.train.repeats,
        ema_decay=_ema_decay(recipe.train),
        **staged,
    )


def memoised(recipe: Recipe, *, references: Mapping[str, str], means: Means, cache: Path) -> Plan:
    """Do as `make`, or return what it made before of the same recipe and files.

    Raises:
        RecipeFaults: as `make`; faults are not kept.
    """
    try:
        known = cache / f"{digest_inputs(recipe, references=references, means=means)}.json"
    except RecipeFaults:
        # The data has faults. There may be more; only a whole plan finds them all.
        return make(recipe, references=references, means=means, cache=cache)
    try:
        return Plan.model_validate_json(known.read_text())
    except (FileNotFoundError, ValidationError):
        made = make(recipe, references=references, means=means, cache=cache)
        # What is denied today may be allowed tomorrow, which no size or time of change tells.
        if not any(why.startswith(DENIED) for why in made.data.bad.values()):
            cache.mkdir(parents=True, exist_ok=True)
            rundir.write_aside(known, made.model_dump_json().encode())
        return made


def digest_inputs(recipe: Recipe, *, references: Mapping[str, str], means: Means) -> str:
    """Return a digest of all that a plan depends on: another one wherever the plan could differ.

    Files count by path, size and time of change; none is read.

    Raises:
        RecipeFaults: where the data or the name of the weights has faults.
    """
    path = weights.find(recipe.model, references, cache=weights.published_cache())
    body = {
        "recipe": recipes.canonical(recipe),
        "data": sources.load(recipe.data, references).fingerprint,
        "weights": _stamp(path) if path is not None else None,
        "continued": [_stamp(Path(references[t])) for t in _continued(recipe) if t in references],
        "references": dict(references),
        "environment": environment.now(means.accelerator).model_dump(),
        "means": means.model_dump(),
        # What trials were made on.
        "processor": environment.processor() if numerics.is_left_open(recipe) else None,
        # An output that needs a package is a fault where it is missing.
        "tensorboard": "tensorboard" in recipe.outputs and tensorboard.is_installed(),
        # The engine itself decides, too.
        "engine": [_stamp(file) for file in sorted(Path(__file__).parent.rglob("*.py"))],
    }
    return sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def _continued(recipe: Recipe) -> list[str]:
    return [recipe.train.continue_] if recipe.train.continue_ is not None else []


def _stamp(path: Path) -> list[str | int]:
    try:
        status = path.stat()
    except OSError:
        return [str(path)]
    return [str(path), status.st_size, status.st_mtime_ns]


def _outlook(draft: Draft) -> outlook.Outlook:
    return outlook.look(
        outlook.legs(draft.stages, draft.recipe.train.max_steps),
        lineage=draft.lineage,
        preprocess=draft.preprocess.steps,
        judged=len(draft.source.val),
    )


def _ema_decay(train: Train) -> float | None:
    if train.ema is None or not train.ema.adjust:
        return train.ema.decay if train.ema is not None else None
    return ema.adjusted(
        train.ema.decay,
        images=train.batch_size * train.accumulate,
        every=train.ema.every,
        epochs=train.epochs,
    )


def _threads(recipe: Recipe, cpus: int) -> int:
    """On images of 8 x 8 a second thread gains 8 %, and loses all where its core is busy."""
    return 1 if recipe.data.digits is not None else cpus


def _loader_workers(draft: Draft, staged: Mapping[str, Any]) -> int:
    recipe, pictures = draft.recipe, stagecards.pictures(staged)
    if recipe.data.workers is not None:
        return recipe.data.workers
    images = len(draft.source.train) + len(draft.source.val)
    # Of a larger set it is not certain that all have room, and who decodes should not wait.
    if all(card.is_batched and card.bytes_per_image * images <= _AT_HAND for card in pictures):
        return 0
    # A small photo takes 2 ms to read, on 2 cores as fast with 0, 1 or 2 processes; large ones do
    # not. Digits are in memory.
    return 0 if recipe.data.digits is not None else 1


def _data_card(draft: Draft) -> DataCard:
    source, found = draft.source, draft.audit
    split = partial(_split, classes=len(source.classes))
    return DataCard(
        source=source.name,
        classes=list(source.classes),
        train=split(source.train),
        val=split(source.val),
        test=split(source.test) if source.test is not None else None,
        channels=source.channels,
        left_out=list(source.left_out),
        bad=found.bad,
        dropped=list(found.dropped),
        fingerprint=source.fingerprint,
        split_digest=splits.digest(source),
    )


def _split(samples: Samples, *, classes: int) -> Split:
    per_class = np.bincount(samples.labels, minlength=classes)
    return Split(images=len(samples), per_class=per_class.tolist())


def _weights_card(draft: Draft) -> WeightsCard:
    start = draft.start
    return WeightsCard(
        source=draft.recipe.model.weights,
        path=str(start.path.absolute()) if start is not None else None,
        sha256=start.sha256 if start is not None else None,
        tensors_loaded=len(draft.fit.loaded),
        tensors_new=draft.fit.new,
        head="kept" if draft.keeps_head else "new",
    )


def _notices(draft: Draft) -> Iterator[str]:
    left_out = draft.source.left_out
    if left_out:
        shown = ", ".join(left_out[:5]) + (", ..." if len(left_out) > 5 else "")
        files = "files are no images and are" if len(left_out) > 1 else "file is no image and is"
        yield f"{len(left_out)} {files} left out: {shown}"
    yield from draft.source.notices
    yield from draft.audit.notices
    if draft.continued is not None:
        yield continuing.notice(draft.continued, draft.recipe)
    known = draft.known_preprocess
    if known is not None and known.steps != draft.preprocess.steps:
        shown = _shown(known.steps)
        yield f"data.preprocess is the recipe's, not that of {known.origin}: {shown}"
    yield from balance.notices(draft.weighting, draft.counts)
    yield from dict.fromkeys(told for stage in draft.stages for told in _cycles(stage))
    head = {name for name in draft.fit.new if name.startswith(f"{draft.net.head}.")}
    if head and not head.intersection(draft.trained):
        yield "the head is new and does not train: it keeps its random values"
    used = draft.net.used_asides(draft.trained)
    for aside in draft.net.asides:
        part = f"counts {aside.weight:g} times in training" if aside in used else "does not count"
        yield f"the loss of the auxiliary head {aside.name} {part}"


def _cycles(stage: StageDraft) -> Iterator[str]:
    cycle = stage.recipe.train.schedule.one_cycle
    if cycle is not None and cycle.cycle_momentum:
        yield (
            f"one_cycle moves the momentum from {cycle.max_momentum:g} to {cycle.base_momentum:g} "
            "and back; the optimizer's own is not used"
        )


def _warnings(draft: Draft, means: Means) -> Iterator[str]:
    if draft.recipe.train.precision == "fp16" and means.device == "cpu":
        yield (
            "processors compute fp16 one number at a time: a step takes 10 to 20 times as long as "
            "in fp32; bf16 is the other way to halve the numbers"
        )
    if len(draft.source.classes) > MOST_CLASSES:
        told = "no confusion matrix is kept, scores of each class are"
        yield f"over {MOST_CLASSES:,} classes: {told}"
    if draft.recipe.train.bn != "eval" and not norms.buffer_names(draft.net.module):
        yield f"{draft.net.name} has no BatchNorm: train.bn changes nothing"


def _costs(draft: Draft, means: Means, loaders: int) -> Iterable[str]:
    """Say what changing the images costs, where that is much."""
    return dict.fromkeys(told for stage in draft.stages for told in _cost(stage, means, loaders))


def _cost(stage: StageDraft, means: Means, loaders: int) -> Iterable[str]:
    augment, shape = stage.recipe.data.augment, stage.train_shape
    if not augment:
        return ()
    return costs.notices(
        augment,
        stage.shared.preprocess.steps,
        flops=work.per_image(stage.shared.net, shape, prefix=stage.prefix),
        device=means.device,
        loaders=loaders,
        side=shape[-1],
    )


def _shown(preprocess: images.Preprocess) -> str:
    return ", ".join(
        f"{name} {value}" for name, value in preprocess.model_dump(exclude_none=True).items()
    )
