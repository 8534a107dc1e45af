"""Heads: the last layer of a net, or the layers that a recipe puts in its place."""

from collections.abc import Callable, Iterator, Sequence

from torch import nn

from fttrain.spec.network import HeadLayer


def find(module: nn.Module) -> str:
    """Return the dotted name of a net's last layer: its last linear one, or last convolution."""
    return (_named(module, nn.Linear) or _named(module, nn.Conv2d))[-1]


def replace(module: nn.Module, path: str, layers: Sequence[HeadLayer], classes: int) -> None:
    """Put layers and a linear output per class in the place of a net's last layer."""
    last = module.get_submodule(path)
    parent, _, name = path.rpartition(".")
    within = module.get_submodule(parent)
    if isinstance(last, nn.Linear):
        setattr(within, name, nn.Sequential(*_stack(layers, last.in_features, classes)))
        return
    # SqueezeNet's convolution is followed by ReLU and pooling: layers want pooled images.
    assert isinstance(last, nn.Conv2d)
    assert isinstance(within, nn.Sequential)
    pooled = [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    place = int(name)
    within[place] = nn.Sequential(*pooled, *_stack(layers, last.in_channels, classes))
    for after in range(place + 1, len(within)):
        within[after] = nn.Identity()


def _named(module: nn.Module, kind: type[nn.Module]) -> list[str]:
    return [str(name) for name, layer in module.named_modules() if isinstance(layer, kind)]


def _stack(layers: Sequence[HeadLayer], width: int, classes: int) -> Iterator[nn.Module]:
    for layer in layers:
        if layer.linear is not None:
            yield nn.Linear(width, layer.linear.width)
            width = layer.linear.width
        elif layer.dropout is not None:
            yield nn.Dropout(layer.dropout.p)
        else:
            yield _NORMS[layer.kind](width) if layer.kind in _NORMS else _PLAIN[layer.kind]()
    yield nn.Linear(width, classes)


_NORMS: dict[str, Callable[[int], nn.Module]] = {
    "batch_norm": nn.BatchNorm1d,
    "layer_norm": nn.LayerNorm,
}
_PLAIN: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "hardswish": nn.Hardswish,
    "tanh": nn.Tanh,
}
