"""The same training by fastai, after its quick start: ImageDataLoaders, Learner, fit."""

import time
from functools import partial
from typing import Any

import fastai  # type: ignore[import-not-found]  # In the peers' environment alone.
import torch
from fastai.callback.fp16 import MixedPrecision  # type: ignore[import-not-found]
from fastai.vision.all import (  # type: ignore[import-not-found]
    SGD,
    Callback,
    ChannelsLast,
    FlipItem,
    ImageDataLoaders,
    Learner,
    Normalize,
    ParamScheduler,
    accuracy,
    defaults,
    imagenet_stats,
)
from torch import nn
from torchvision.transforms import functional

from benchmarks.peers import nets
from benchmarks.peers.task import Answer, Task


def run(task: Task) -> Answer:
    """Train by a Learner."""
    workers = defaults.cpus if task.workers is None else task.workers
    flip = [FlipItem(0.5)] if task.augment == "flip" else []
    dls = ImageDataLoaders.from_folder(
        task.photos, train="train", valid="val", bs=task.batch, num_workers=workers,
        item_tfms=[_framed, *flip], batch_tfms=[Normalize.from_stats(*imagenet_stats)],
        drop_last=False, seed=task.seed,
    )  # fmt: skip
    clock = _Clock()
    learn = Learner(
        dls, nets.net(task, dls.c), loss_func=nn.CrossEntropyLoss(), metrics=accuracy, wd=0.0,
        opt_func=partial(SGD, mom=0.9), splitter=_trained, cbs=[clock],
    )  # fmt: skip
    if task.is_tuned:
        learn.add_cbs([ChannelsLast(), _LaidOut(), _ProcessorBf16()])
    rates = {"lr": lambda part: task.lr * 0.1 ** (int(part * task.epochs + 1e-6) // 7)}
    learn.fit(task.epochs, task.lr, cbs=[ParamScheduler(rates)])
    shares = [row[-1] for row in learn.recorder.values]
    return Answer(
        version=f"fastai {fastai.__version__}, torch {torch.__version__}", workers=workers,
        precision="bf16" if task.is_tuned else "fp32",
        layout="channels_last" if task.is_tuned else "contiguous",
        images=len(dls.train_ds), epochs_s=clock.seconds,
        correct=[round(share * len(dls.valid_ds)) for share in shares], count=len(dls.valid_ds),
    )  # fmt: skip


def _framed(image: Any) -> Any:
    """Resize and crop as the others do; fastai's own Resize crops at once."""
    if not hasattr(image, "size") or isinstance(image, torch.Tensor):
        return image  # A label.
    return type(image)(functional.center_crop(functional.resize(image, [256]), [224]))


def _trained(model: nn.Module) -> list[list[nn.Parameter]]:
    return [[parameter for parameter in model.parameters() if parameter.requires_grad]]


class _LaidOut(Callback):  # type: ignore[misc]
    def before_batch(self) -> None:
        self.learn.xb = tuple(x.to(memory_format=torch.channels_last) for x in self.xb)


class _ProcessorBf16(MixedPrecision):  # type: ignore[misc]
    """What `to_bf16` does, which knows CUDA alone."""

    def before_fit(self) -> None:
        kind = "cuda" if torch.cuda.is_available() else "cpu"
        self.autocast = torch.autocast(kind, dtype=torch.bfloat16)
        self.learn.scaler = torch.amp.GradScaler(kind, enabled=False)
        self.scales: list[float] = []


class _Clock(Callback):  # type: ignore[misc]
    """Times the epochs; evaluation is within."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self._begun = 0.0

    def before_epoch(self) -> None:
        self._begun = time.perf_counter()

    def after_epoch(self) -> None:
        self.seconds.append(time.perf_counter() - self._begun)
