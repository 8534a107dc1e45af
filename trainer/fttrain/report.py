"""A run in lines for people."""

import sys
from collections.abc import Iterator
from pathlib import Path

from fttrain.events import ArtifactMade, EpochEnded, Evaluated, Score, Spread
from fttrain.optim import groups
from fttrain.spec.plan import DataCard, Plan


def plan_lines(plan: Plan) -> list[str]:
    """Describe a plan."""
    data, weights = plan.data, plan.weights
    per_epoch = f"{plan.steps_per_epoch} per epoch"
    lines = [
        f"data       {data.source}: {data.train.images} images to train on, "
        f"{data.val.images} to validate on, {_test(data)}{len(data.classes)} classes",
        f"weights    {weights.source}: {weights.tensors_loaded} tensors loaded, "
        f"{len(weights.tensors_new)} new, head {weights.head}",
        f"images     {_preprocess(plan)}{_pictures(plan)}",
        f"trains     {plan.parameters_trained:,} of {plan.parameters:,} parameters; BatchNorm: "
        f"{plan.batch_norm_train} train, {plan.batch_norm_eval} eval; "
        f"{len(plan.prefix)} blocks run ahead{_kept(plan)}",
        f"steps      {plan.steps} ({per_epoch}, {_count(plan.epochs, 'epoch')}), "
        f"batch {plan.batch_size}"
        + (f" x {plan.accumulate}" if plan.accumulate > 1 else "")
        + (f", {plan.repeats} times over" if plan.repeats > 1 else ""),
        f"machine    {plan.device}, {_count(plan.threads, 'thread')}, "
        f"{_loaders(plan)}, {plan.precision}, {plan.layout}, "
        f"torch {plan.environment.torch}",
        *([f"numbers    {plan.speed.why}"] if plan.speed is not None else []),
        *_tables(plan),
    ]
    return [*lines, *(f"notice: {notice}" for notice in plan.notices)]


def stage_line(plan: Plan, place: int) -> str:
    """Describe the stage, counted from 0, that begins."""
    card, number = plan.stages[place], place + 1
    last = card.first_epoch + card.epochs - 1
    span = f"epochs {card.first_epoch} to {last}" if card.epochs != 1 else f"epoch {last}"
    if card.epochs == 0:
        span = "never reached"
    state = ", optimizer goes on" if card.optimizer_state == "keep" else ""
    return (
        f"stage {number} of {len(plan.stages)}, {span}: {card.parameters_trained:,} parameters "
        f"train, {len(card.prefix)} blocks run ahead{state}"
    )


def epoch_line(epoch: EpochEnded, *, epochs: int) -> str:
    """Describe an epoch."""
    train = f"train {_score(epoch.train)}  " if epoch.train is not None else ""
    val = "not evaluated"
    if epoch.val is not None:
        low, high = epoch.val.accuracy_low, epoch.val.accuracy_high
        val = f"val {_score(epoch.val)} [{low:.3f}, {high:.3f}]"
    rates = ", ".join(f"{lr:g}" for lr in epoch.lrs)
    speed = f"{epoch.images_per_second:.0f} img/s  {epoch.seconds:.1f} s"
    best = "  best" if epoch.best else ""
    return f"epoch {epoch.epoch}/{epochs}  {train}{val}  lr {rates}  {speed}{best}"


def made_line(made: ArtifactMade | Evaluated, run_dir: Path) -> str:
    """Describe a file that was made, or what the best checkpoint scores."""
    if isinstance(made, ArtifactMade):
        return f"{made.what}  {run_dir / made.path}"
    return evaluated_line(made)


def evaluated_line(told: Evaluated) -> str:
    """Describe what the best checkpoint scores on validation or test images."""
    score = told.score
    interval = f"[{score.accuracy_low:.3f}, {score.accuracy_high:.3f}]"
    return f"{told.split}  {_score(score)} {interval}  by the best checkpoint, epoch {told.epoch}"


def spread_line(spread: Spread) -> str:
    """Describe what repeats came to."""
    told = f"repeats    {len(spread.accuracies)}, mean acc {spread.mean:.4f}"
    if spread.low is None or spread.high is None:
        return told
    return f"{told} +- {spread.deviation:.4f} [{spread.low:.4f}, {spread.high:.4f}]"


def _tables(plan: Plan) -> Iterator[str]:
    """Yield the group table, one for each stage where there are several."""
    if not plan.stages:
        yield from groups.lines(plan.groups)
    for place, card in enumerate(plan.stages):
        yield stage_line(plan, place)
        yield from groups.lines(card.groups)


def _score(score: Score) -> str:
    return f"loss {score.loss:.4f} acc {score.accuracy:.4f} ({score.correct}/{score.count})"


def _test(data: DataCard) -> str:
    return f"{data.test.images} to test on at the end, " if data.test is not None else ""


def _preprocess(plan: Plan) -> str:
    steps = plan.preprocess.steps.model_dump(exclude_none=True)
    shown = ", ".join(f"{name} {value}" for name, value in steps.items())
    return f"{shown} (from {plan.preprocess.origin})"


def _pictures(plan: Plan) -> str:
    card = plan.pictures
    if card is not None and card.is_kept:
        return f"; decoded once and kept, {card.bytes_per_image / 1e3:,.1f} kB each"
    return f"; not kept ({card.why})" if card is not None and card.why else ""


def _count(number: int, what: str, plural: str = "s") -> str:
    return f"{number} {what}{plural if number != 1 else ''}"


def say(line: str) -> None:
    """Tell people a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _loaders(plan: Plan) -> str:
    loaders = _count(plan.loader_workers, "loader process", "es")
    cards = [stage.features for stage in plan.stages] if plan.stages else [plan.features]
    # Where threads can make the features, or all of them are there, none is begun.
    is_kept = all(card is not None and card.views for card in cards)
    return f"at most {loaders}" if is_kept and plan.loader_workers else loaders


def _kept(plan: Plan) -> str:
    card = plan.features
    if card is None:
        return ""
    if not card.views:
        return f" in each epoch ({card.why})"
    return f" once{f', for each of {card.views} views' if card.views > 1 else ''}"
