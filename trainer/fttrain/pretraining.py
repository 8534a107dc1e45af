"""How the weights that torchvision publishes were trained, as far as its pages say it.

The meta of a member names its page; what the page says stands here, in the words of a recipe.
What a command of theirs leaves out has the default of the script that it calls.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torchvision

_README = "https://github.com/pytorch/vision/tree/main/references/classification"
_SCRIPT = "https://github.com/pytorch/vision/blob/main/references/classification/train.py"
_ISSUE = "https://github.com/pytorch/vision/issues/3995"
_SGD = "sgd (momentum 0.9)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """How a net was or will be trained, in words. None: nobody says it."""

    optimizer: str | None = None
    rate: str | None = None
    images: str | None = None
    """Per step."""
    schedule: str | None = None
    warmup: str | None = None
    epochs: str | None = None
    weight_decay: str | None = None
    norm_weight_decay: str | None = None
    bias_weight_decay: str | None = None
    label_smoothing: str | None = None
    augment: str | None = None
    erasing: str | None = None
    mix: str | None = None
    repeats: str | None = None
    clip: str | None = None
    ema: str | None = None
    side: str | None = None
    """Of the images that are trained on, in pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pretraining:
    """What is known of published weights."""

    training: Training
    sources: tuple[str, ...]
    facts: tuple[str, ...]


def published(net: str, member: str) -> Pretraining:
    """Return what is known of weights that torchvision publishes for one of its nets."""
    meta: Mapping[str, Any] = torchvision.models.get_model_weights(net)[member].meta
    page = str(meta["recipe"])
    training, more = _told(net, page)
    return Pretraining(training=training, sources=(page, *more), facts=tuple(_facts(meta)))


def _facts(meta: Mapping[str, Any]) -> list[str]:
    scores = [
        f"{score['acc@1']:g} % right on {name}, {score['acc@5']:g} % among the first 5"
        for name, score in meta.get("_metrics", {}).items()
        if "acc@1" in score
    ]
    counts = f"{meta['num_params']:,} parameters, {len(meta['categories']):,} classes"
    return [*scores, counts, " ".join(str(meta.get("_docs", "")).split())]


def _told(net: str, page: str) -> tuple[Training, tuple[str, ...]]:
    """Return what a page says of a net, and which other pages say it, too."""
    if page.startswith(f"{_README}#"):
        training = _in_readme(net, page.partition("#")[2])
        return training, (_SCRIPT,) if training != _UNKNOWN else ()
    training, more = _ELSEWHERE.get((page, net)) or _ELSEWHERE.get((page, ""), (_UNKNOWN, ()))
    return training, more


def _in_readme(net: str, section: str) -> Training:
    told = _SECTIONS.get(section, _UNKNOWN)
    return told(net) if callable(told) else told


# --- what the pages say -----------------------------------------------------------------------

_UNKNOWN = Training()
_CLASSIC = Training(
    optimizer=_SGD,
    rate="0.1",
    images="256",  # 8 GPUs with 32 each
    schedule="step (every 30, gamma 0.1)",
    warmup="none",
    epochs="90",
    weight_decay="0.0001",
    norm_weight_decay="as others",
    bias_weight_decay="as others",
    label_smoothing="none",
    augment="random_resized_crop 224, horizontal_flip",
    erasing="none",
    mix="none",
    repeats="none",
    clip="none",
    ema="none",
    side="224",
)
_NEW = replace(
    _CLASSIC,
    rate="0.5",
    images="1024",  # 8 GPUs with 128 each
    schedule="cosine",
    warmup="5 epochs from 0.01",
    epochs="600",
    weight_decay="2e-05",
    norm_weight_decay="0",
    label_smoothing="0.1",
    augment="random_resized_crop 224, horizontal_flip, trivial_augment_wide",
    erasing="p 0.1",
    mix="mixup 0.2 or cutmix 1",
    ema="decay 0.99998 every 32 steps, adjusted",
)


def _of_side(training: Training, side: int) -> Training:
    assert training.augment is not None
    _, _, more = training.augment.partition(", ")
    return replace(training, augment=f"random_resized_crop {side}, {more}", side=str(side))


_SMALL = _of_side(_NEW, 176)
_REPEATED = replace(_SMALL, repeats="4 times")
_REGNET = replace(
    _CLASSIC,
    schedule="cosine",
    warmup="5 epochs from 0.1",
    epochs="100",
    weight_decay="5e-05",
)
_VIT = replace(
    _NEW,
    optimizer="adamw",
    rate="0.003",
    images="4096",
    warmup="30 epochs from 0.033",
    epochs="300",
    weight_decay="0.3",
    norm_weight_decay="as others",
    label_smoothing="0.11",
    augment="random_resized_crop 224, horizontal_flip, rand_augment",
    erasing="none",
    repeats="3 times",
    clip="1",
)
_CONVNEXT = replace(_REPEATED, optimizer="adamw", rate="0.001", weight_decay="0.05")
_SWIN = replace(
    _NEW,
    optimizer="adamw",
    rate="0.001",
    schedule="cosine (eta_min 1e-05)",
    warmup="20 epochs from 0.01",
    epochs="300",
    weight_decay="0.05",
    bias_weight_decay="0",
    erasing="p 0.25",
    mix="mixup 0.8 or cutmix 1",
    repeats="4 times",
    clip="5",
)
_MAXVIT = replace(
    _SWIN,
    rate="0.003",
    images="4096",  # 32 GPUs with 128 each
    warmup="32 epochs from 0.01",
    epochs="400",
    norm_weight_decay="as others",
    bias_weight_decay="as others",
    erasing="none",
    mix="mixup 0.8",
    repeats="none",
    clip="1",
    # It says a magnitude that this policy does not take.
    augment=None,
)


def _regnet(rate: str, images: str) -> Callable[[str], Training]:
    def told(net: str) -> Training:
        return replace(_REGNET, rate="0.4" if net == "regnet_y_400mf" else rate, images=images)

    return told


def _vgg(net: str) -> Training:
    return _CLASSIC if net.endswith("_bn") else replace(_CLASSIC, rate="0.01")


def _resnext(net: str) -> Training:
    longer = replace(_CLASSIC, epochs="100")
    # 64 GPUs with 16 each
    return replace(longer, rate="0.4", images="1024") if net == "resnext101_32x8d" else longer


def _efficientnet_v2(net: str) -> Training:
    sides = {"efficientnet_v2_s": 300, "efficientnet_v2_m": 384}
    if net not in sides:  # the large one was ported
        return _UNKNOWN
    return _of_side(replace(_NEW, repeats="4 times"), sides[net])


_SECTIONS: Mapping[str, Training | Callable[[str], Training]] = {
    "alexnet-and-vgg": _vgg,
    "resnet": _CLASSIC,
    "resnext": _resnext,
    "mobilenetv2": replace(
        _CLASSIC,
        rate="0.045",
        schedule="step (every 1, gamma 0.98)",
        epochs="300",
        weight_decay="4e-05",
    ),
    "mobilenetv3-large--small": replace(
        _CLASSIC,
        optimizer="rmsprop (alpha 0.9, eps 0.0316, momentum 0.9)",
        rate="0.064",
        images="1024",
        schedule="step (every 2, gamma 0.973)",
        epochs="600",
        weight_decay="1e-05",
        augment="random_resized_crop 224, horizontal_flip, auto_augment",
        erasing="p 0.2",
        ema="mean of the last 3 checkpoints that improved",
    ),
    "efficientnet-v2": _efficientnet_v2,
    "small-models": _regnet("0.8", "1024"),
    "medium-models": _regnet("0.4", "512"),
    "large-models": _regnet("0.2", "256"),
    "vit_b_16": _VIT,
    "vit_b_32": replace(_VIT, augment="random_resized_crop 224, horizontal_flip, auto_augment"),
    "vit_l_16": replace(_NEW, repeats="3 times", clip="1"),
    "vit_l_32": _VIT,
    "convnext": _CONVNEXT,
    "swintransformer": _SWIN,
    "swintransformer-v2": _of_side(_SWIN, 256),
    "maxvit": _MAXVIT,
}
_ELSEWHERE: Mapping[tuple[str, str], tuple[Training, tuple[str, ...]]] = {
    (f"{_ISSUE}#new-recipe", ""): (_NEW, (_SCRIPT,)),
    (f"{_ISSUE}#new-recipe-with-fixres", ""): (_SMALL, (_SCRIPT,)),
    (f"{_ISSUE}#issuecomment-1013906621", "resnet50"): (_REPEATED, (_SCRIPT,)),
    (f"{_ISSUE}#new-recipe-with-reg-tuning", "mobilenet_v2"): (
        _REPEATED,
        ("https://github.com/pytorch/vision/pull/5560", _SCRIPT),
    ),
    ("https://github.com/pytorch/vision/pull/5906", ""): (
        _REPEATED,
        (f"{_README}#shufflenet-v2", _SCRIPT),
    ),
}
