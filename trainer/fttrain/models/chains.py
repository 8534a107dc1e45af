"""Each net's chain of blocks: its forward pass, taken apart.

torchvision's nets are chains of modules with a little pooling and flattening between them. Which,
stands in a table; a test folds every one of them and compares it with the net's own forward.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fttrain.models.zoo import Aside, Block, Part

Step = Callable[[Any, Tensor], Tensor]
"""What a net does between two modules."""


def chain(module: nn.Module) -> tuple[Block, ...]:
    """Return the blocks of one of torchvision's nets, or of the recipe's own."""
    return tuple(_chain(module))


def asides(module: nn.Module) -> tuple[Aside, ...]:
    """Return the auxiliary heads of a net, weighed as by the papers and torch's own tutorial."""
    return tuple(
        Aside(
            name=name,
            module=module.get_submodule(name),
            after=after,
            last=f"{name}.{last}",
            weight=weight,
        )
        for name, after, last, weight in _ASIDES.get(type(module).__name__, ())
    )


def walk(path: str, module: nn.Module, *, is_top: bool = True) -> Iterator[Part]:
    """Yield the parts of a chain of modules; stacks of modules of one kind are taken apart."""
    if not _opens(module, is_top=is_top):
        yield Part(name=path, module=module)
        return
    for index, (name, child) in enumerate(module.named_children()):
        by_index = _is_stack(module) or not name.isidentifier()
        inner = f"{path}[{index}]" if by_index else f"{path}.{name}"
        yield from walk(inner, child, is_top=False)


def _chain(module: nn.Module) -> Iterator[Block]:
    for link in _CHAINS[type(module).__name__]:
        if not isinstance(link, str):
            name, step = link
            yield Block(name=name, run=partial(step, module))
        elif link == "tokens":
            yield _tokens(module)
        else:
            for part in walk(link, module.get_submodule(link)):
                yield Block(name=part.name, run=part.module, parts=(part,))


def _opens(module: nn.Module, *, is_top: bool) -> bool:
    if is_top and type(module) in (nn.Sequential, nn.ModuleList):
        return True
    return isinstance(module, nn.Sequential) and _is_stack(module)


def _is_stack(module: nn.Module) -> bool:
    return len({type(child) for child in module.children()}) == 1


def _tokens(module: Any) -> Block:
    """Patches to tokens: parameters of the net and of its encoder take part."""
    loose = ("class_token", "encoder.pos_embedding")
    part = Part(name="conv_proj", module=module.conv_proj, loose=loose)
    return Block(name="conv_proj", run=partial(_tokenised, module), parts=(part,))


# --- between the modules ----------------------------------------------------------------------


def _pooled(module: Any, x: Tensor) -> Tensor:
    pooled: Tensor = module.avgpool(x).flatten(1)
    return pooled


def _averaged(module: Any, x: Tensor) -> Tensor:
    return F.adaptive_avg_pool2d(x, (1, 1)).flatten(1)


def _meant(module: Any, x: Tensor) -> Tensor:
    return x.mean([2, 3])


def _rectified(module: Any, x: Tensor) -> Tensor:
    return _averaged(module, F.relu(x))


def _flat(module: Any, x: Tensor) -> Tensor:
    return x.flatten(1)


def _permuted(module: Any, x: Tensor) -> Tensor:
    return _pooled(module, module.permute(x))


def _tokenised(module: Any, x: Tensor) -> Tensor:
    tokens = module._process_input(x)
    first = module.class_token.expand(len(tokens), -1, -1)
    placed = torch.cat([first, tokens], dim=1) + module.encoder.pos_embedding
    dropped: Tensor = module.encoder.dropout(placed)
    return dropped


def _first_token(module: Any, x: Tensor) -> Tensor:
    return x[:, 0]


_PLAIN = ("features", ("pool", _pooled), "classifier")
_CHAINS: dict[str, tuple[str | tuple[str, Step], ...]] = {
    "AlexNet": _PLAIN,
    "Cnn": ("features", ("pool", _pooled), "dropout", "head"),
    "ConvNeXt": ("features", "avgpool", "classifier"),
    "DenseNet": ("features", ("pool", _rectified), "classifier"),
    "EfficientNet": _PLAIN,
    "GoogLeNet": (
        "conv1", "maxpool1", "conv2", "conv3", "maxpool2", "inception3a", "inception3b",
        "maxpool3", "inception4a", "inception4b", "inception4c", "inception4d", "inception4e",
        "maxpool4", "inception5a", "inception5b", ("pool", _pooled), "dropout", "fc",
    ),
    "Inception3": (
        "Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "maxpool1", "Conv2d_3b_1x1",
        "Conv2d_4a_3x3", "maxpool2", "Mixed_5b", "Mixed_5c", "Mixed_5d", "Mixed_6a", "Mixed_6b",
        "Mixed_6c", "Mixed_6d", "Mixed_6e", "Mixed_7a", "Mixed_7b", "Mixed_7c", "avgpool",
        "dropout", ("flatten", _flat), "fc",
    ),
    "MNASNet": ("layers", ("pool", _meant), "classifier"),
    "MaxVit": ("stem", "blocks", "classifier"),
    "MobileNetV2": ("features", ("pool", _averaged), "classifier"),
    "MobileNetV3": _PLAIN,
    "RegNet": ("stem", "trunk_output", ("pool", _pooled), "fc"),
    "ResNet": (
        "conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4",
        ("pool", _pooled), "fc",
    ),
    "Rn": ("dropout", "stem", "blocks", "encoder", ("pool", _pooled), "head"),
    "ShuffleNetV2": (
        "conv1", "maxpool", "stage2", "stage3", "stage4", "conv5", ("pool", _meant), "fc",
    ),
    "SqueezeNet": ("features", "classifier", ("flatten", _flat)),
    "SwinTransformer": ("features", "norm", ("pool", _permuted), "head"),
    "VGG": _PLAIN,
    "VisionTransformer": (
        "tokens", "encoder.layers", "encoder.ln", ("token", _first_token), "heads",
    ),
}  # fmt: skip

_ASIDES = {
    "GoogLeNet": (("aux1", "inception4a", "fc2", 0.3), ("aux2", "inception4d", "fc2", 0.3)),
    "Inception3": (("AuxLogits", "Mixed_6e", "fc", 0.4),),
}
