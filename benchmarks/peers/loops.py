"""The loop that people write: PyTorch's tutorial on transfer learning, with what varies as
arguments. Written anew after its structure, comments left out as people do."""

import time
from contextlib import nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import nn, optim
from torch.optim import lr_scheduler

from benchmarks.peers import images, nets
from benchmarks.peers.task import Answer, Task

QUICK_START_WORKERS = 4
"""The tutorial's own."""


def run(task: Task) -> Answer:
    """Train as the tutorial does."""
    workers = QUICK_START_WORKERS if task.workers is None else task.workers
    loaders = {split: images.loader(task, split, workers) for split in images.SPLITS}
    return train_model(task, loaders, workers, version="torchvision's tutorial")


def train_model(task: Task, loaders: dict[str, Any], workers: int, *, version: str) -> Answer:
    """Train and evaluate in turns; keep the best weights in a file, and load them at the end."""
    device = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    classes = len(list(Path(task.photos, "train").iterdir()))
    model: Any = nets.net(task, classes).to(device)
    if task.is_tuned:
        model = model.to(memory_format=torch.channels_last)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = optim.SGD(trained, lr=task.lr, momentum=0.9)
    scheduler = lr_scheduler.StepLR(optimizer, step_size=7, gamma=0.1)
    seconds, corrects = [], []
    with TemporaryDirectory() as tempdir:
        best_path = Path(tempdir, "best_model_params.pt")
        torch.save(model.state_dict(), best_path)
        best = 0
        for _ in range(task.epochs):
            begun = time.perf_counter()
            train_phase(task, model, loaders["train"], optimizer)
            scheduler.step()
            corrects.append(train_phase(task, model, loaders["val"], None))
            if corrects[-1] > best:
                best = corrects[-1]
                torch.save(model.state_dict(), best_path)
            seconds.append(time.perf_counter() - begun)
        model.load_state_dict(torch.load(best_path, weights_only=True))
    return Answer(
        version=f"{version}, torch {torch.__version__}", workers=workers,
        precision="bf16" if task.is_tuned else "fp32",
        layout="channels_last" if task.is_tuned else "contiguous",
        images=len(loaders["train"].dataset), epochs_s=seconds,
        correct=corrects, count=len(loaders["val"].dataset),
    )  # fmt: skip


def train_phase(task: Task, model: nn.Module, loader: Any, optimizer: Any) -> int:
    """Train, or evaluate without an optimizer; return how many were right."""
    device = next(model.parameters()).device
    criterion = nn.CrossEntropyLoss()
    model.train(optimizer is not None)
    running_loss, running_corrects = 0.0, 0
    for inputs, labels in loader:
        inputs, labels = inputs.to(device), labels.to(device)
        if task.is_tuned:
            inputs = inputs.to(memory_format=torch.channels_last)
        model.zero_grad()
        with torch.set_grad_enabled(optimizer is not None):
            with cast(task, device):
                outputs = model(inputs)
                loss = criterion(outputs, labels)
            _, preds = torch.max(outputs, 1)
            if optimizer is not None:
                loss.backward()
                optimizer.step()
        running_loss += loss.item() * inputs.size(0)
        running_corrects += int(torch.sum(preds == labels.data))
        if task.ends_at_first_step:
            print("step 1", flush=True)
            raise SystemExit
    return running_corrects


def cast(task: Task, device: torch.device) -> Any:
    """Return what the forward pass of a tuned peer runs in."""
    return torch.autocast(device.type, dtype=torch.bfloat16) if task.is_tuned else nullcontext()
