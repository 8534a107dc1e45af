"""A run's net, evaluated again without training: on its validation images, or on others."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from pydantic import ValidationError

from fttrain import feeding, loop
from fttrain.artifacts.export import read_model
from fttrain.assembly import InputsChanged
from fttrain.data import labelled, order, sources
from fttrain.data.audit import named, too_many
from fttrain.data.decode import BadImage
from fttrain.data.found import named as classes_named
from fttrain.data.labelled import BadData, Grey
from fttrain.data.order import Indices
from fttrain.data.samples import Files, Samples
from fttrain.data.stream import Batch, Stream, Task
from fttrain.data.view import EvalView
from fttrain.judge import Judge
from fttrain.models import build, sizes
from fttrain.optim import losses
from fttrain.precision import LAYOUTS, Precision
from fttrain.results.verdicts import Verdicts
from fttrain.spec import faults, rundir
from fttrain.spec.faults import RecipeFaults
from fttrain.spec.plan import Plan
from fttrain.spec.recipe import Recipe
from fttrain.spec.rundir import AttemptCard, NewerFormat
from fttrain.state import checkpoint

Own = Literal["val", "train"]
"""Which of the run's own images. Those to test on are not among them: that is the lock."""
Tell = Callable[[int, int], None]
"""Is told how many images of how many are done."""


class BadRun(Exception):
    """A run directory that cannot be understood."""


class Locked(Exception):
    """Images that the run itself reads, once, at its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run whose net is evaluated."""

    recipe: Recipe
    plan: Plan
    card: AttemptCard

    @classmethod
    def read(cls, run_dir: Path) -> "Run":
        """Read a run directory.

        Raises:
            OSError: where something of it is gone.
            BadRun: where another version wrote it, whose words are others.
        """
        try:
            return cls(
                recipe=faults.parse((run_dir / rundir.RECIPE).read_text()),
                plan=Plan.model_validate_json((run_dir / rundir.PLAN).read_text()),
                card=rundir.read_attempt(run_dir),
            )
        except (RecipeFaults, ValidationError, NewerFormat) as error:
            what = str(error).splitlines()[0]
            raise BadRun(f"{run_dir} was written by another version of finetuned: {what}") from None

    @property
    def is_exact(self) -> bool:
        """Whether figures here are those of the run to the last digit: it had no accelerator."""
        return self.plan.device == "cpu"


@dataclass(frozen=True, slots=True, kw_only=True)
class Other:
    """Images that are not the run's own."""

    path: Path
    title: str
    """What their user calls them."""
    allow_missing: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Images:
    """What a net is evaluated on."""

    title: str
    samples: Samples
    bad: dict[str, str] = field(default_factory=dict)
    """Those that cannot be read, by name, and why; evaluating adds to them."""
    notices: tuple[str, ...] = ()


def judge(run: Run, model: Path) -> tuple[Judge, int]:
    """Return the net in a file, a model or a checkpoint, and the epoch that it is of.

    Raises:
        BadModel, BadWeights, OSError: where it cannot be read.
    """
    tensors, epoch = _net(model)
    plan = run.plan
    net = build.loaded(
        run.recipe.model,
        classes=len(plan.data.classes),
        channels=plan.data.channels,
        tensors=tensors,
        seed=run.recipe.train.seed,
    )
    layout = LAYOUTS[plan.layout]
    net.module.to(memory_format=layout)
    made = Judge(
        net=net,
        loss=losses.make(run.recipe.train.loss, plan.class_weights, torch.device("cpu")),
        preprocess=plan.preprocess.steps,
        layout=layout,
        device=torch.device("cpu"),
        chunk=plan.chunk,
        precision=Precision(plan.precision if run.is_exact else "fp32"),
    )
    return made, epoch


def images(run: Run, wanted: Other | Own) -> Images:
    """Find what is evaluated on. Reads no pixels.

    Raises:
        BadData: where they cannot be used.
        Locked: where they are the run's test images.
    """
    return _others(run, wanted) if isinstance(wanted, Other) else _own(run, wanted)


def evaluate(run: Run, made: Judge, seen: Images, tell: Tell) -> Verdicts:
    """Evaluate; images of others that cannot be read are left out, as many as the recipe allows.

    Raises:
        BadData: where there are more, or one of the run's own cannot be read any more, or they are
            too small for the net.
    """
    every = np.arange(len(seen.samples), dtype=np.int64)
    cut = order.batches(every, run.plan.chunk, merge_single=False)
    with Stream(seen.samples, EvalView(run.plan.preprocess.steps), 0) as stream:
        sound = _sound(run, stream, cut, seen)
        return loop.evaluate(made, _told(_fitting(run, made, sound), len(every), tell))


# --- the net ----------------------------------------------------------------------------------


def _net(model: Path) -> tuple[dict[str, torch.Tensor], int]:
    if model.name == Path(rundir.MODEL).name:
        tensors, told = read_model(model)
        return tensors, told.origin.epoch
    tensors, card = checkpoint.read(model)
    return tensors, card.best_epoch or card.epoch


# --- images -----------------------------------------------------------------------------------


def _own(run: Run, split: Own) -> Images:
    try:
        source = feeding.source(run.recipe, run.plan, run.card)
    except InputsChanged as changed:
        raise BadData(f"{changed}; name labelled images with --data") from None
    notices = () if run.is_exact else (_ELSEWHERE.format(run.plan.device),)
    title = f"the {_CALLED[split]} images of {run.card.name}"
    samples = {"val": source.val, "train": source.train}[split]
    return Images(title=title, samples=samples, notices=notices)


_CALLED = {"val": "validation", "train": "training"}
_ELSEWHERE = "evaluated on the processor, trained on {}: the last digits may differ"


def _others(run: Run, other: Other) -> Images:
    plan, how = run.plan, sources.decoding(run.recipe.data)
    found = labelled.load(
        other.path, other.title, plan.data.classes, how, allow_missing=other.allow_missing
    )
    _refuse_locked(run, found.samples, other.title)
    grey = plan.data.channels == 1
    notices = []
    if found.missing:
        notices.append(f"no image of {classes_named(found.missing)}")
    if found.left_out:
        notices.append(_left_out(found.left_out))
    return Images(
        title=other.title,
        samples=Grey(found.samples) if grey else found.samples,
        notices=tuple(notices),
    )


def _left_out(names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
    is_one = len(names) == 1
    files = "1 file is no image and is" if is_one else f"{len(names)} files are no images and are"
    return f"{files} left out: {shown}"


def _refuse_locked(run: Run, samples: Files, title: str) -> None:
    """Refuse the run's own test files, under whatever path, by what the file system calls them."""
    if run.plan.data.test is None:
        return
    try:
        test = sources.load(run.recipe.data, run.card.references).test
    except RecipeFaults:  # its data is gone, and with it what could be the same
        return
    if not isinstance(test, Files):
        return
    locked = set(_identities(test))
    count = sum(each in locked for each in _identities(samples))
    if count:
        name = run.card.name
        which = "is a test image" if count == 1 else "are test images"
        raise Locked(
            f"{count} of the {len(samples)} images of {title} {which} of {name}: those are read "
            f"once, by the job itself at its end, and `ftctl get {name}` has what came of it; name "
            "other images"
        )


def _identities(files: Files) -> Iterator[tuple[int, int]]:
    for index in range(len(files)):
        with contextlib.suppress(OSError):  # gone meanwhile
            status = files.path(index).stat()
            yield status.st_dev, status.st_ino


# --- evaluating -------------------------------------------------------------------------------


def _sound(run: Run, stream: Stream, cut: list[Indices], seen: Images) -> Iterator[Batch]:
    """Yield the batches, without images that cannot be read."""
    for part in cut:
        try:
            (batch,) = stream.run([Task(0, part)])
        except BadImage as bad:
            sound = _readable(run, part, seen)
            if len(sound) == len(part):  # what is wrong shows beside the others alone
                raise BadData(f"{bad}") from None
            if not len(sound):
                continue
            (batch,) = stream.run([Task(0, sound)])
        yield batch


def _fitting(run: Run, made: Judge, batches: Iterator[Batch]) -> Iterator[Batch]:
    """Yield the batches; where nothing crops images, only while the net takes such sizes."""
    known: set[tuple[int, int, int]] = set()
    for batch in batches:
        channels, height, width = batch.images.shape[1:]
        shape = channels, height, width
        if run.plan.preprocess.steps.crop is None and shape not in known:
            net = build.skeleton(
                run.recipe.model,
                classes=len(run.plan.data.classes),
                channels=channels,
                tensors=made.net.module.state_dict(),
            )
            if (why := sizes.complaint(net, shape, trained=())) is not None:
                raise BadData(why)
            known.add(shape)
        yield batch


def _readable(run: Run, part: Indices, seen: Images) -> Indices:
    sound = []
    for index in part.tolist():
        try:
            seen.samples.picture(index)
        except BadImage as bad:
            seen.bad[seen.samples.name(index)] = bad.why
        else:
            sound.append(index)
    most, count = run.recipe.data.most_bad(len(seen.samples)), len(seen.samples)
    if len(seen.bad) > most or len(seen.bad) == count:
        raise BadData(
            f"{too_many(len(seen.bad), count)}, more than `data.max_bad` of the recipe allows: "
            f"{named(seen.bad)}; replace or remove them"
        )
    return np.array(sound, np.int64)


def _told(batches: Iterator[Batch], count: int, tell: Tell) -> Iterator[Batch]:
    done = 0
    for batch in batches:
        yield batch
        done = int(batch.indices[-1]) + 1
        tell(done, count)
