"""What decides about the last bit of a result: versions, the processor, the accelerator."""

import functools
import platform
import re
from importlib import metadata
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import PIL
import torch
import torchvision

from fttrain.spec.plan import Environment

# What libraries choose their kernels by; other flags come and go with the kernel.
_CHOSEN_BY = re.compile(r"avx\w*|amx\w*|fma\w*|sse\w*|ssse3|f16c|asimd\w*|sve\w*|bf16|i8mm")


def now(accelerator: str) -> Environment:
    """Return what this process computes with; `accelerator` is empty for a processor."""
    return Environment(
        accelerator=accelerator,
        torch=torch.__version__,
        torchvision=torchvision.__version__,
        python=platform.python_version(),
        cpu_capability=torch.backends.cpu.get_cpu_capability(),
        pillow=PIL.__version__,
        timm=_version("timm"),
    )


def accelerator(device: str) -> str:
    """Return the maker's name of the device that this process has; empty for a processor."""
    return torch.cuda.get_device_name() if device == "cuda" else ""


@functools.cache
def instructions() -> str:
    """Return the vector instructions of this machine's processors, parted by blanks."""
    listed = re.search(r"^(?:flags|Features)\s*:(.*)$", _processors(), re.MULTILINE)
    flags = listed[1].split() if listed else []
    return " ".join(sorted(flag for flag in set(flags) if _CHOSEN_BY.fullmatch(flag)))


@functools.cache
def processor() -> str:
    """Return the maker's name of this machine's processors; where it tells none, their kind."""
    named = re.search(r"^model name\s*:\s*(.+)$", _processors(), re.MULTILINE)
    return named[1].strip() if named else platform.machine()


def _processors() -> str:
    try:
        return Path("/proc/cpuinfo").read_text()
    except OSError:
        return ""


@functools.cache
def _version(package: str) -> str:
    """Return the version of a package without importing it; empty where it is missing."""
    try:
        return metadata.version(package)
    except PackageNotFoundError:
        return ""
