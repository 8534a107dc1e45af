"""The loader alone: how fast DataLoader and Pillow turn files into normalised batches."""

import time

import torch

from benchmarks.peers import images
from benchmarks.peers.task import Answer, Task


def run(task: Task) -> Answer:
    """Go through the training images, epoch by epoch, and do nothing with them."""
    workers = task.workers or 0
    batches = images.loader(task, "train", workers, persistent_workers=workers > 0)
    seconds = []
    for _ in range(task.epochs):
        begun, seen = time.perf_counter(), 0
        for inputs, _ in batches:
            seen += len(inputs)
        seconds.append(time.perf_counter() - begun)
    return Answer(
        version=f"DataLoader, torch {torch.__version__}", workers=workers, precision="fp32",
        layout="contiguous", images=seen, epochs_s=seconds, correct=[], count=0,
    )  # fmt: skip
