"""The plan in a few lines: what the data turned out to be, what trains, for how long."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from ftctl.models import Job
from ftctl.view import console as out
from ftctl.view import grid, outlook, stages, text
from ftctl.view.labels import LABEL_COLUMNS, labelled

NOT_SUBMITTED = "nothing was submitted"
SHOWN_CLASSES = 6
SHOWN_TENSORS = 3
Card = Mapping[str, Any]
_SPLITS = ("train", "training"), ("val", "validation"), ("test", "test")


def show(job: Job, console: Console) -> None:
    """Print a job's plan, or why there is none yet."""
    if job.plan is None:
        told = f"the job is sound as far as can be said: {job.reason}"
        console.print(told, soft_wrap=True)
    else:
        out.show(console, card(job.plan, job.recipe, console))


def card(plan: Card, recipe: Card, console: Console) -> list[Text]:
    """Return the card of a plan."""
    try:
        room = console.width - LABEL_COLUMNS if console.is_terminal else None
        facts = _facts(plan, recipe, room)
    except (KeyError, TypeError, IndexError):
        # A plan belongs to the engine; that of another version may look otherwise.
        facts = [("plan", ["of another version; `ftctl get -o json` shows it whole"])]
    return [line for label, entries in facts for line in labelled(label, entries, console)]


def net_name(recipe: Card) -> str:
    """Return what the net is called."""
    model = recipe.get("model") or {}
    if model.get("name"):
        return str(model["name"])
    if model.get("rn"):
        return f"rn-{model['rn'].get('blocks', '')}"
    channels = (model.get("cnn") or {}).get("channels", ())
    return " ".join(["cnn", "-".join(str(width) for width in channels)]).strip() if model else ""


def _facts(plan: Card, recipe: Card, room: int | None) -> list[tuple[str, Sequence[str | Text]]]:
    return [
        ("data", _data(plan["data"])),
        ("net", _net(plan, recipe)),
        ("weights", _weights(plan["weights"])),
        ("made as", outlook.consistency(plan, room)),
        ("input", [*_input(plan["preprocess"]), *stages.numbered(plan, _pictures)]),
        ("changes", _changes(recipe.get("data") or {}, recipe.get("train") or {})),
        ("trains", stages.headed(plan, lambda stage: _groups(stage["groups"], room))),
        ("rates", outlook.rates(plan, room)),
        ("frozen", _frozen(plan, recipe.get("train") or {})),
        ("steps", _steps(plan)),
        ("judged", _judged(plan, recipe.get("train") or {})),
        ("runs on", _machine(plan)),
        ("note", [text.clean(notice) for notice in plan["notices"]]),
    ]


def _data(data: Card) -> list[str]:
    parts = [(data[name], what) for name, what in _SPLITS if data.get(name)]
    shown = [
        f"{text.clean(name)} {' + '.join(text.count(count) for count in counts)}"
        for name, *counts in zip(
            data["classes"], *(part["per_class"] for part, _ in parts), strict=True
        )
    ][:SHOWN_CLASSES]
    rest = len(data["classes"]) - len(shown)
    more = [f"{text.count(rest)} more"] if rest else []
    images = " + ".join(f"{text.count(part['images'])} {what}" for part, what in parts)
    total = f"{images} images, {text.counted(len(data['classes']), 'class')}"
    return [total, " · ".join(shown + more), *_lock(data)]


def _lock(data: Card) -> list[str]:
    """Say what a plan promises of its split."""
    told = ["test images are read once, at the end, by the best checkpoint"]
    digest = data.get("split_digest")
    return (told if data.get("test") else []) + ([f"split {digest[:12]}"] if digest else [])


def _net(plan: Card, recipe: Card) -> list[str]:
    total, trained = plan["parameters"], plan["parameters_trained"]
    share = f"{100 * trained / total:.2g} %" if total else "–"
    part = "all of them train"
    if total != trained:
        part = f"{text.count(trained)} of them train ({share})"
    net = f"{net_name(recipe) or 'net'}, {text.count(total)} parameters, {part}"
    return [net, *outlook.work(plan)]


def _weights(weights: Card) -> list[str]:
    if not weights["tensors_loaded"]:
        return ["none: every parameter begins random"]
    told = f"{text.clean(weights['source'])}, {weights['tensors_loaded']} tensors loaded"
    return [f"{told}, head {weights['head']}", *_new_tensors(weights["tensors_new"])]


def _new_tensors(names: Sequence[str]) -> list[str]:
    if not names:
        return []
    shown = ", ".join(names[:SHOWN_TENSORS])
    rest = len(names) - SHOWN_TENSORS
    return [f"begin random: {shown}{f', {rest} more' if rest > 0 else ''}"]


def _input(card: Card) -> list[str]:
    steps = card["steps"]
    parts = [f"{verb} {steps[verb]}" for verb in ("resize", "crop") if steps.get(verb) is not None]
    if parts:
        parts.append(steps["interpolation"])
    origin = f"(from {text.clean(card['origin'])})"
    return [f"{', '.join([*parts, 'normalised'])} {origin}"]


def _pictures(stage: Card) -> list[str]:
    """Say whether images are decoded once. Older daemons do not tell."""
    card = stage.get("pictures")
    if not card or not (card["is_kept"] or card["why"]):
        return []
    if not card["is_kept"]:
        return [f"decoded images are not kept: {text.clean(card['why'])}"]
    at_once = ", and taken by the batch" if card["is_batched"] else ""
    return [f"decoded once: {text.size(card['bytes_per_image'])} of each image is kept{at_once}"]


def _changes(data: Card, train: Card) -> list[str]:
    """Return what happens to training images, in order, and to their batches."""
    told = [", ".join(_choice(stated) for stated in data.get("augment") or ())]
    for number, stage in enumerate(train.get("stages") or (), start=1):
        if "augment" in stage:
            own = ", ".join(_choice(stated) for stated in stage["augment"])
            told.append(f"stage {number}: {own or 'none'}")
    repeats = data.get("repeats", 1)
    if repeats > 1:
        told.append(f"each image {text.count(repeats)} times in a row")
    ways = [_choice(stated) for stated in data.get("mix") or ()]
    if ways:
        told.append(f"batches mixed by {' or '.join(ways)}")
    return [each for each in told if each]


def _choice(stated: str | Card) -> str:
    """Return a choice by its name, with its size where it has one."""
    if isinstance(stated, str):
        return text.clean(stated)
    ((name, options),) = stated.items()
    size = (options or {}).get("size")
    return text.clean(name if size is None else f"{name} {size}")


def _groups(groups: Sequence[Card], room: int | None) -> list[Text]:
    """Return a row for each group; where there is no room, without where rates come from, and
    where there is none for that, a sentence."""
    titles: list[str | Text] = [
        Text(title, "label") for title in ("group", "tensors", "parameters", "lr", "decay")
    ]
    for rate in (_rate, _bare_rate):
        cells = [_group(group, rate(group)) for group in groups]
        rows = grid.lines([titles, *cells], aligns="<>>>>")
        if room is None or max(row.cell_len for row in rows) <= room:
            return rows
    said = "{}: {} tensors, {} parameters, lr {}, decay {}"
    return [Text(said.format(*_group(group, _rate(group)))) for group in groups]


def _group(group: Card, rate: str) -> list[str | Text]:
    return [
        text.clean(group["name"]),
        text.count(group["tensors"]),
        text.count(group["parameters"]),
        rate,
        text.number(group["weight_decay"]),
    ]


def _rate(group: Card) -> str:
    origin = group.get("lr_origin")  # Plans of an older daemon do not say it.
    return _bare_rate(group) + (f" = {text.clean(origin)}" if origin else "")


def _bare_rate(group: Card) -> str:
    return text.number(group["lr"])


def _frozen(plan: Card, train: Card) -> list[str]:
    told = stages.numbered(plan, lambda stage: _still(stage, plan["chunk"]))
    if train.get("bn") == "train":
        told.append(f"statistics of all {plan['batch_norm_train']} BatchNorm layers move")
    return told


def _still(stage: Card, chunk: int) -> list[str]:
    told = []
    if stage["prefix"]:
        blocks = stage["prefix"]
        span = blocks[0] if len(blocks) == 1 else f"{blocks[0]} to {blocks[-1]}"
        told.append(f"{span} run ahead in eval mode, {chunk} images at a time")
        told += _made(stage.get("features"))
    if stage["batch_norm_eval"]:
        told.append(f"{text.counted(stage['batch_norm_eval'], 'BatchNorm layer')} keep statistics")
    return told


def _made(features: Card | None) -> list[str]:
    """Say whether what frozen blocks make of images is kept. Older daemons do not tell."""
    if not features:
        return []
    if not features["views"]:
        return [f"in each epoch anew: {text.clean(features['why'])}"]
    views = f", for {features['views']} views of it" if features["views"] > 1 else ""
    size = text.size(features["bytes_per_view"])
    return [f"once for each image{views}: what they make, {size} in fp32, is kept"]


def _steps(plan: Card) -> list[str]:
    images = f"{text.count(plan['batch_size'])} images"
    if plan["accumulate"] > 1:
        images = f"{plan['accumulate']} × {images}"
    times = f", {plan['repeats']} times over" if plan.get("repeats", 1) > 1 else ""
    return [f"{stages.length(plan)} of {images}{times}"]


def _judged(plan: Card, train: Card) -> list[str]:
    """Say by which weights, when, and what then comes of it, where that is not as usual."""
    told = []
    every, ema, rule = train.get("evaluate_every", 1), train.get("ema"), train.get("early_stopping")
    if ema:
        decay, steps = plan["ema_decay"], text.counted(ema["every"], "step")
        told.append(f"by the mean of the weights: decay {decay:.6g} every {steps}")
    if train.get("bn") == "recalibrate":
        told.append("with BatchNorm statistics of all training images, taken anew each time")
    if every > 1:
        told.append(f"after every {every} epochs, and the last")
    if rule:
        evaluations = text.counted(rule["patience"], "evaluation")
        told.append(f"ends after {evaluations} without better {rule['metric']}")
    return told


def _machine(plan: Card) -> list[str]:
    threads = text.counted(plan["threads"], "thread")
    whole = f"{plan['device']}, {threads}, {_loaders(plan)}, {plan['precision']}, {plan['layout']}"
    speed = plan.get("speed")
    return [whole, *([speed["why"]] if speed else [])]


def _loaders(plan: Card) -> str:
    loaders = text.counted(plan["loader_workers"], "loader process")
    made = [(stage.get("features") or {}).get("views") for stage in plan.get("stages") or [plan]]
    # Where threads can make the features, or all of them are there, none is begun.
    return f"at most {loaders}" if all(made) and plan["loader_workers"] else loaders
