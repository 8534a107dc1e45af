"""Looking into a net while it runs: which layers there are, and what they give."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor, nn

from fttrain.models.zoo import Net

Told = Callable[[str, nn.Module, Tensor, Tensor], None]
"""Is told name, module, input and output of a layer, each time it has run."""


def forward(net: Net, images: Tensor) -> Tensor:
    """Return the logits of images that are prepared."""
    for block in net.blocks:
        images = block.run(images)
    return images


@contextmanager
def heard(layers: Iterable[tuple[str, nn.Module]], tell: Told) -> Iterator[None]:
    """Have somebody told of layers that run inside the block."""
    with ExitStack() as stack:
        for name, module in layers:
            stack.enter_context(module.register_forward_hook(_hook(name, tell)))
        yield


def _hook(name: str, tell: Told) -> Callable[[nn.Module, Any, Any], None]:
    def hook(module: nn.Module, given: Any, made: Any) -> None:
        # Attention gives its weights beside its output, and may take all by name.
        made = made[0] if isinstance(made, tuple) else made
        if given and isinstance(given[0], Tensor) and isinstance(made, Tensor):
            tell(name, module, given[0], made)

    return hook


def first_convolution(net: Net) -> tuple[str, nn.Conv2d] | None:
    """Return the convolution that sees the image, with its name; None where there is none."""
    return next(convolutions(net), None)


def convolutions(net: Net) -> Iterator[tuple[str, nn.Conv2d]]:
    """Yield the convolutions, without those of the head, each with its name."""
    head = set(net.head_layer.modules())
    for name, module in net.module.named_modules():
        if isinstance(module, nn.Conv2d) and module not in head:
            yield name, module


def last_convolution(net: Net, images: Tensor) -> list[str]:
    """Return the names of the convolution that runs last, and of the norm right behind it if any.

    Empty where there is no convolution.
    """
    known = dict(convolutions(net))
    found: list[str] = []
    ran: list[Tensor] = []

    def tell(name: str, _module: nn.Module, given: Tensor, made: Tensor) -> None:
        if name in known:
            found[:], ran[:] = [name], [made]
        elif len(found) == 1 and given is ran[0] and made.shape == given.shape:
            found.append(name)

    norms = [each for each in net.module.named_modules() if "Norm" in type(each[1]).__name__]
    with heard([*known.items(), *norms], tell):
        forward(net, images)
    return found


def maps(made: Tensor) -> Tensor | None:
    """Return what a layer gives of one image as (channels, height, width).

    None where it gives no map. Some nets keep channels last, or patches in a row behind others.
    """
    if made.ndim == 4:
        _, first, second, third = made.shape
        made = made.permute(0, 3, 1, 2) if first == second != third else made
        return made[0] if made.shape[-1] > 1 else None
    if made.ndim == 3:
        side = int((made.shape[1]) ** 0.5)
        if side > 1:
            # Class tokens stand before the patches.
            return made[0, -side * side :].T.reshape(-1, side, side)
    return None
