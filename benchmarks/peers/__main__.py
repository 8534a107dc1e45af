"""Train one task by one peer: `python -m benchmarks.peers TASK ANSWER`, two files of JSON.

Run by the interpreter of the peers' environment, from the checkout.
"""

import importlib
import sys
from pathlib import Path

import torch

from benchmarks.peers.task import Answer, Task

MODULES = {
    "tutorial": "loops",
    "lightning": "lightning_module",
    "fastai": "fastai_learner",
    "timm": "timm_loader",
    "loader": "loading",
}


def main() -> None:
    """Train, and write the answer."""
    task = Task.read(Path(sys.argv[1]))
    # Only what this peer's user would import is imported.
    peer = importlib.import_module(f"benchmarks.peers.{MODULES[task.peer]}")
    torch.manual_seed(task.seed)
    answer: Answer = peer.run(task)
    answer.write(Path(sys.argv[2]))


if __name__ == "__main__":
    main()
