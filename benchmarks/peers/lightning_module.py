"""The same training by Lightning, after its quick start: LightningModule, Trainer, fit."""

import time
from tempfile import TemporaryDirectory
from typing import Any

import lightning  # type: ignore[import-not-found]  # In the peers' environment alone.
import torch
from torch import Tensor, nn, optim

from benchmarks.peers import images, nets
from benchmarks.peers.task import Answer, Task

QUICK_START_WORKERS = 0
"""That of a DataLoader that says nothing."""


def run(task: Task) -> Answer:
    """Train by a Trainer."""
    workers = QUICK_START_WORKERS if task.workers is None else task.workers
    options = {"persistent_workers": True} if task.is_tuned and workers else {}
    train, val = (images.loader(task, split, workers, **options) for split in images.SPLITS)
    clock = _Clock()
    module = _Classifier(task, len(train.dataset.classes))  # type: ignore[attr-defined]
    tuned = {"precision": "bf16-mixed"} if task.is_tuned else {}
    with TemporaryDirectory() as folder:
        trainer = lightning.Trainer(
            max_epochs=task.epochs, default_root_dir=folder, callbacks=[clock], **tuned
        )
        trainer.fit(module, train, val)
    return Answer(
        version=f"Lightning {lightning.__version__}, torch {torch.__version__}", workers=workers,
        precision="bf16" if task.is_tuned else "fp32",
        layout="channels_last" if task.is_tuned else "contiguous",
        images=len(train.dataset), epochs_s=clock.seconds, correct=clock.correct,  # type: ignore[arg-type]
        count=len(val.dataset),  # type: ignore[arg-type]
    )  # fmt: skip


class _Classifier(lightning.LightningModule):  # type: ignore[misc]
    def __init__(self, task: Task, classes: int) -> None:
        super().__init__()
        self.task = task
        self.model = nets.net(task, classes)
        if task.is_tuned:
            self.model.to(memory_format=torch.channels_last)
        self.criterion = nn.CrossEntropyLoss()
        self.correct = 0

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        inputs, labels = batch
        loss: Tensor = self.criterion(self.model(self._laid_out(inputs)), labels)
        self.log("train_loss", loss)
        return loss

    def on_validation_epoch_start(self) -> None:
        self.correct = 0

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        inputs, labels = batch
        outputs = self.model(self._laid_out(inputs))
        self.correct += int((outputs.argmax(1) == labels).sum())
        self.log("val_loss", self.criterion(outputs, labels))

    def configure_optimizers(self) -> Any:
        trained = [parameter for parameter in self.parameters() if parameter.requires_grad]
        optimizer = optim.SGD(trained, lr=self.task.lr, momentum=0.9)
        return [optimizer], [optim.lr_scheduler.StepLR(optimizer, step_size=7, gamma=0.1)]

    def _laid_out(self, inputs: Tensor) -> Tensor:
        return inputs.to(memory_format=torch.channels_last) if self.task.is_tuned else inputs


class _Clock(lightning.Callback):  # type: ignore[misc]
    """Times the epochs; evaluation is within."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.correct: list[int] = []
        self._begun = 0.0

    def on_train_epoch_start(self, trainer: Any, module: Any) -> None:
        self._begun = time.perf_counter()

    def on_train_epoch_end(self, trainer: Any, module: Any) -> None:
        self.seconds.append(time.perf_counter() - self._begun)
        self.correct.append(module.correct)
