"""timm's loader, which stacks bytes and normalises whole batches, before the plain loop."""

from typing import Any

import timm
import torch
from timm.data.dataset import ImageDataset
from timm.data.loader import create_loader
from timm.data.transforms import ToNumpy
from torchvision import transforms

from benchmarks.peers import images, loops
from benchmarks.peers.task import Answer, Task

QUICK_START_WORKERS = 1
"""create_loader's own."""


def run(task: Task) -> Answer:
    """Train on what timm loads."""
    workers = QUICK_START_WORKERS if task.workers is None else task.workers
    loaders = {split: loader(task, split, workers) for split in images.SPLITS}
    return loops.train_model(task, loaders, workers, version=f"timm {timm.__version__}")


def loader(task: Task, split: str, workers: int) -> Any:
    """Return the batches of a split."""
    device = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    mean, std = images.colours(task)
    dataset: Any = ImageDataset(f"{task.photos}/{split}")  # type: ignore[no-untyped-call]
    made = create_loader(
        dataset, input_size=(3, 224, 224), batch_size=task.batch,
        is_training=split == "train", mean=mean, std=std, num_workers=workers, device=device,
        persistent_workers=workers > 0,
    )  # fmt: skip
    # Its own augmentation is another one; all peers shall see the same.
    made.dataset.transform = transforms.Compose([*images.changes(task, split), ToNumpy()])
    return made  # A last, smaller training batch it leaves out: 4 of 244 photos.
