"""The images of a task as torchvision's users load them: ImageFolder, Pillow, DataLoader."""

from typing import Any

from torch.utils.data import DataLoader
from torchvision import datasets, transforms

from benchmarks.peers.task import Task

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SMALL_MEAN, SMALL_STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
SPLITS = ("train", "val")


def changes(task: Task, split: str) -> list[Any]:
    """Return what happens to an image before it becomes a tensor."""
    if task.augment == "pad-and-flip":
        crop = transforms.RandomCrop(32, padding=4)
        return [crop, transforms.RandomHorizontalFlip()] if split == "train" else []
    flip = [transforms.RandomHorizontalFlip()]
    if split == "train" and task.augment == "crop":
        return [transforms.RandomResizedCrop(224), *flip]
    plain = [transforms.Resize(256), transforms.CenterCrop(224)]
    return [*plain, *(flip if split == "train" and task.augment == "flip" else [])]


def colours(task: Task) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and deviation per channel."""
    return (MEAN, STD) if task.net == "mobilenet_v2" else (SMALL_MEAN, SMALL_STD)


def folder(task: Task, split: str) -> Any:
    """Return a split as a dataset of normalised tensors."""
    last = [transforms.ToTensor(), transforms.Normalize(*colours(task))]
    steps = transforms.Compose([*changes(task, split), *last])
    return datasets.ImageFolder(f"{task.photos}/{split}", steps)


def loader(task: Task, split: str, workers: int, **options: Any) -> DataLoader[Any]:
    """Return the batches of a split."""
    return DataLoader(
        folder(task, split), batch_size=task.batch, shuffle=split == "train",
        num_workers=workers, **options,
    )  # fmt: skip
