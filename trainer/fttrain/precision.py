"""In which numbers a step is computed: fp32, or bf16 and fp16 by torch's autocast.

Weights, gradients and statistics are fp32 throughout. Loss and softmax are, too.

Measured on an AMD EPYC with avx512_bf16, torch 2.15, one thread, batches of 8 at 224 x 224, images
per second of processor time, fp32 against bf16: MobileNetV2 trains 19 against 22 and evaluates 67
against 156; ResNet-18 trains 12 against 22 and evaluates 44 against 76. fp16 there takes 10 to 20
times as long as fp32. On a processor without such instructions bf16 is emulated and gains nothing.
What `auto` chooses is up to `fttrain.numerics`.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Literal

import torch
from torch import Tensor
from torch.amp.grad_scaler import GradScaler
from torch.optim import Optimizer

from fttrain.depthwise import DepthwiseGradients

Name = Literal["fp32", "bf16", "fp16"]
LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
_TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class Precision:
    """How forward passes, backward passes and steps are made. fp16 scales the loss meanwhile."""

    def __init__(self, name: Name = "fp32", device: str = "cpu") -> None:
        self._name = name
        self._device = torch.device(device).type
        # The scaler of torch is neither needed nor wanted where no gradient vanishes.
        self._scaler = GradScaler(self._device) if name == "fp16" else None

    def cast(self) -> AbstractContextManager[Any]:
        """Have what runs within this context compute so."""
        is_other = self._name != "fp32"
        # A disabled autocast still asks whether the device has the type.
        dtype = _TYPES[self._name] if is_other else torch.bfloat16
        return torch.autocast(self._device, dtype=dtype, enabled=is_other)

    @contextmanager
    def stepping(self) -> Iterator[None]:
        """Have the forward pass of a step compute so within this context."""
        is_slow_somewhere = self._name == "bf16" and self._device == "cpu"
        with self.cast(), DepthwiseGradients() if is_slow_somewhere else nullcontext():
            yield

    def backward(self, loss: Tensor) -> None:
        """Add the gradients of a loss, in the scale of the moment."""
        scaled = self._scaler.scale(loss) if self._scaler is not None else loss
        scaled.backward()  # type: ignore[no-untyped-call]

    def unscale(self, optimizer: Optimizer) -> None:
        """Give the gradients their true size. Once per step, before anything looks at them."""
        if self._scaler is not None:
            self._scaler.unscale_(optimizer)

    def step(self, optimizer: Optimizer) -> None:
        """Take the step. With fp16 it is left out where a gradient is no number."""
        if self._scaler is None:
            optimizer.step()
        else:
            self._scaler.step(optimizer)
            self._scaler.update()

    def state(self) -> dict[str, int | float]:
        """Return what the next step depends on: the scale and since when it holds."""
        return self._scaler.state_dict() if self._scaler is not None else {}

    def restore(self, state: dict[str, int | float]) -> None:
        """Put back what `state` returned."""
        if self._scaler is not None:
            self._scaler.load_state_dict(state)
