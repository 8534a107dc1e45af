"""What a finished run leaves: the model and the pictures."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from torch import nn

from fttrain.artifacts import export
from fttrain.events import ArtifactMade, EpochEnded
from fttrain.models import tensors
from fttrain.pictures import curves, kinds
from fttrain.pictures.look import Look
from fttrain.spec import rundir
from fttrain.spec.plan import Plan
from fttrain.spec.recipe import Recipe
from fttrain.spec.rundir import AttemptCard
from fttrain.state import checkpoint

CURVES = "artifacts/curves.png"


def artifacts(
    run_dir: Path,
    card: AttemptCard,
    recipe: Recipe,
    plan: Plan,
    net: nn.Module,
    *,
    best: EpochEnded,
    epochs: Sequence[EpochEnded],
) -> Iterator[ArtifactMade]:
    """Make the artefacts one by one.

    `net` is the net after the last step: what training does not change is taken from there, the
    rest from the best checkpoint.
    """
    assert best.val is not None, "the best epoch has been evaluated"
    (run_dir / rundir.MODEL).parent.mkdir(exist_ok=True)
    changed = checkpoint.changed(tensors.read(run_dir / rundir.BEST))
    model = export.ModelCard(
        classes=tuple(plan.data.classes),
        channels=plan.data.channels,
        preprocess=plan.preprocess.steps,
        model=recipe.model,
        recipe=recipe,
        environment=plan.environment,
        origin=export.Origin(
            job_id=card.job_id, job_name=card.name, epoch=best.epoch, val=best.val
        ),
    )
    export.write_model(run_dir / rundir.MODEL, net.state_dict() | changed, model)
    yield ArtifactMade(what="model", path=rundir.MODEL)
    if "curves" in recipe.outputs:
        drawn = kinds.draw("curves", [curves.body(epochs, card.name)], Look())
        rundir.write_aside(run_dir / CURVES, drawn)
        yield ArtifactMade(what="picture/curves", path=CURVES)
