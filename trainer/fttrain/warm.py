"""What the zygote imports ahead, so that no worker has to. Imports only: no operator runs here."""

import importlib

# Slow to import and wanted within a worker's first second.
MODULES = (
    "PIL.Image", "PIL.JpegImagePlugin", "PIL.PngImagePlugin", "PIL.WebPImagePlugin",
    "PIL.BmpImagePlugin", "PIL.TiffImagePlugin", "numpy.random", "safetensors.torch",
    "torch.utils.data", "torch.optim.adamw", "torch.optim.sgd", "torchvision.models",
    "torchvision.transforms.v2.functional", "torch.utils.flop_counter",
)  # fmt: skip


def preload() -> None:
    """Import the modules."""
    for name in MODULES:
        importlib.import_module(name)
