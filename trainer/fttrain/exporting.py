"""What a finished run leaves: the model, its tables, and the pictures."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fttrain import chronicle, feeding, loop
from fttrain.artifacts import export, tensorboard
from fttrain.data import order
from fttrain.data.order import Indices
from fttrain.data.samples import Samples, Source
from fttrain.data.sparing import Sparing
from fttrain.data.stream import Stream, Task
from fttrain.data.view import EvalView, View
from fttrain.events import ArtifactMade, EpochEnded, Evaluated
from fttrain.loop import Training
from fttrain.models import tensors
from fttrain.pictures import curves, kinds, tiles
from fttrain.pictures.look import Look
from fttrain.results import tables
from fttrain.results.measures import MOST_CLASSES
from fttrain.results.verdicts import Verdicts
from fttrain.showing import Showing, seen
from fttrain.spec import rundir
from fttrain.spec.plan import Plan
from fttrain.spec.recipe import Recipe
from fttrain.spec.rundir import AttemptCard
from fttrain.state import checkpoint

FOLDER = "artifacts"
TENSORBOARD = f"{FOLDER}/events.out.tfevents.finetuned"
# How many training images a preview shows, and how often.
_PREVIEWED, _VARIANTS = 6, 6
Made = ArtifactMade | Evaluated


@dataclass(frozen=True, slots=True, kw_only=True)
class Exporting:
    """A run whose training is over."""

    run_dir: Path
    card: AttemptCard
    recipe: Recipe
    plan: Plan
    training: Training
    source: Source
    best: EpochEnded
    epochs: Sequence[EpochEnded]
    found: Verdicts | None = None
    """What the best checkpoint made of the validation images; None: nobody remembers."""
    tested: Verdicts | None = None
    """What the best checkpoint made of the test images, where there are any."""

    def all(self) -> Iterator[Made]:
        """Leave everything, one by one. The net then is that of the best checkpoint.

        What is told is in the journal before the next one is made.
        """
        (self.run_dir / FOLDER).mkdir(exist_ok=True)
        self._take_best()
        yield self._model()
        if "curves" in self.recipe.outputs:
            yield from self._curves()
        if "augmentations" in self.recipe.outputs:
            yield from self._picture("augmentations", self._augmentations())
        found = self.found if self.found is not None else self._evaluate(self.source.val)
        told = tables.evaluated(found, self.plan.data.classes, split="val", epoch=self.best.epoch)
        yield told
        yield from self._tables(told, found, self.source.val)
        if "predictions" in self.recipe.outputs:
            yield from self._picture("predictions", self._predictions(told, found))
        for kind, body in self._showing(found).bodies(self.recipe.outputs):
            yield from self._picture(kind, body)
        if self.tested is not None:
            yield from self._test_tables(self.tested)
        if "tensorboard" in self.recipe.outputs:
            entries = chronicle.read(self.run_dir, self.card.earlier)
            tensorboard.write(entries, self.run_dir / TENSORBOARD)
            yield ArtifactMade(what="tensorboard", path=TENSORBOARD)

    def _take_best(self) -> None:
        """Have the net hold the best checkpoint: what training does not change, it has already."""
        module = self.training.net.module
        changed = checkpoint.changed(tensors.read(self.run_dir / rundir.BEST))
        module.load_state_dict(module.state_dict() | changed)

    def _model(self) -> ArtifactMade:
        assert self.best.val is not None
        model = export.ModelCard(
            classes=tuple(self.plan.data.classes),
            channels=self.plan.data.channels,
            preprocess=self.plan.preprocess.steps,
            model=self.recipe.model,
            recipe=self.recipe,
            environment=self.plan.environment,
            origin=export.Origin(
                job_id=self.card.job_id,
                job_name=self.card.name,
                epoch=self.best.epoch,
                val=self.best.val,
            ),
        )
        contents = self.training.net.module.state_dict()
        export.write_model(self.run_dir / rundir.MODEL, contents, model)
        return ArtifactMade(what="model", path=rundir.MODEL)

    # --- evaluation -----------------------------------------------------------------------

    def _evaluate(self, samples: Samples) -> Verdicts:
        every = np.arange(len(samples), dtype=np.int64)
        cut = order.batches(every, self.plan.chunk, merge_single=False)
        with Stream(samples, self._eval_view, self.plan.loader_workers) as stream:
            return loop.evaluate(self.training, stream.run([Task(0, part) for part in cut]))

    def _test_tables(self, tested: Verdicts) -> Iterator[Made]:
        classes = self.plan.data.classes
        told = tables.evaluated(tested, classes, split="test", epoch=self.best.epoch)
        assert self.source.test is not None
        yield from self._tables(told, tested, self.source.test)

    def _tables(self, told: Evaluated, found: Verdicts, samples: Samples) -> Iterator[Made]:
        """Write what an evaluation found; the files of test images have their own names."""
        suffix = "-test" if told.split == "test" else ""
        yield self._data(f"scores{suffix}", tables.scores(told, found, title=self.card.name))
        yield self._verdicts(f"verdicts{suffix}", found, samples)
        if found.classes > MOST_CLASSES:
            return
        matrix = tables.confusion(told, found, title=self.card.name)
        if "confusion" in self.recipe.outputs:
            yield from self._picture(f"confusion{suffix}", matrix)
        else:
            yield self._data(f"confusion{suffix}", matrix)

    def _showing(self, found: Verdicts) -> Showing:
        return Showing(
            title=self.card.name, training=self.training, plan=self.plan,
            samples=self.source.val, found=found,
        )  # fmt: skip

    def _predictions(self, told: Evaluated, found: Verdicts) -> dict[str, Any]:
        samples = self.source.val
        shown = tables.examples(found)
        indices = found.indices[shown]
        pixels = seen(samples, self._eval_view, Task(0, indices))
        named = zip(map(samples.name, indices.tolist()), pixels, strict=True)
        return tables.predictions(told, found, shown, named, title=self.card.name)

    # --- pictures -------------------------------------------------------------------------

    def _curves(self) -> Iterator[ArtifactMade]:
        body = curves.body(self.epochs, self.card.name)
        yield from self._picture("curves", body)
        look = Look(x="log", y="log")
        yield self._png("curves-loglog", kinds.draw("curves", [body], look))

    def _augmentations(self) -> dict[str, Any]:
        """Return the first images of training, as evaluation and as each epoch sees them."""
        seed = self.recipe.train.seed
        samples = Sparing(self.source.train)
        first = order.epoch_order(len(samples), seed, 1)[:_PREVIEWED]
        view = feeding.view(self.recipe, self.plan)
        evaluated = _packed(samples, self._eval_view, 0, first)
        trained = [_packed(samples, view, epoch, first) for epoch in range(1, _VARIANTS + 1)]
        labels = [self.plan.data.classes[samples.labels[index]] for index in first]
        rows = zip(first.tolist(), labels, evaluated, *trained, strict=True)
        return {
            "title": self.card.name,
            "rows": [
                {"name": samples.name(index), "label": label, "evaluated": plain, "trained": seen}
                for index, label, plain, *seen in rows
            ],
        }

    @property
    def _eval_view(self) -> EvalView:
        return EvalView(self.plan.preprocess.steps)

    def _picture(self, kind: str, body: Mapping[str, Any]) -> Iterator[ArtifactMade]:
        yield self._png(kind, kinds.draw(kind, [body], Look()))
        yield self._data(kind, body)

    def _png(self, kind: str, drawn: bytes) -> ArtifactMade:
        path = f"{FOLDER}/{kind}.png"
        rundir.write_aside(self.run_dir / path, drawn)
        return ArtifactMade(what=f"picture/{kind}", path=path)

    def _verdicts(self, kind: str, found: Verdicts, samples: Samples) -> ArtifactMade:
        path = f"{FOLDER}/{kind}.csv"
        # Names alone are asked for: no image is read again.
        names = map(samples.name, found.indices.tolist())
        table = tables.verdicts(found, self.plan.data.classes, names)
        rundir.write_aside(self.run_dir / path, table)
        return ArtifactMade(what=f"table/{kind}", path=path)

    def _data(self, kind: str, body: Mapping[str, Any]) -> ArtifactMade:
        path = f"{FOLDER}/{kind}.json"
        text = json.dumps(body, indent=1, ensure_ascii=False, allow_nan=False)
        rundir.write_aside(self.run_dir / path, text.encode())
        return ArtifactMade(what=f"data/{kind}", path=path)


def _packed(samples: Samples, view: View, epoch: int, indices: Indices) -> list[str]:
    return [tiles.packed(pixels) for pixels in seen(samples, view, Task(epoch, indices))]
