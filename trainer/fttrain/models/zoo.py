"""The nets that can be asked for, each seen as a chain of blocks in depth order."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torchvision
from torch import Tensor, nn

from fttrain.spec.faults import Fault, RecipeFaults
from fttrain.spec.nearest import nearest

TIMM = "timm/"
"""What the name of a net of timm begins with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What `first:k` and `last:k` count: a module, with parameters that lie in none."""

    name: str
    """As a user writes it after `block:`."""
    module: nn.Module
    loose: tuple[str, ...] = ()
    """Full names of parameters that belong here and to no module of their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A link of the chain: what it is called and how it runs."""

    name: str
    """As a user writes it after `block:`; `pool` stands for pooling and flattening."""
    run: Callable[[Tensor], Tensor]
    parts: tuple[Part, ...] = ()
    """In depth order. Most blocks are one part; a mere function has none."""

    @property
    def modules(self) -> tuple[nn.Module, ...]:
        """The modules of its parts."""
        return tuple(part.module for part in self.parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Aside:
    """An auxiliary head: it sees what a block gives, and its loss counts in training."""

    name: str
    module: nn.Module
    after: str
    """The block that it sees the output of."""
    last: str
    """Full name of its last layer: one output per class."""
    weight: float
    """Of its loss, where that of the head itself has 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Net:
    """A net whose forward pass is the fold of its blocks, bit for bit."""

    name: str
    module: nn.Module
    blocks: tuple[Block, ...]
    head: str
    """Dotted name of the head: the last layer, or what a recipe puts in its place."""
    asides: tuple[Aside, ...] = ()
    """Auxiliary heads. They take part where they train."""
    side: int | None = None
    """The one side of images in pixels that the net takes; None: any above some least."""

    @property
    def head_layer(self) -> nn.Module:
        """The head."""
        return self.module.get_submodule(self.head)

    @property
    def backbone(self) -> tuple[Part, ...]:
        """The parts that hold parameters, without the head."""
        head = set(self.head_layer.modules())
        return tuple(
            part
            for block in self.blocks
            for part in block.parts
            if part.module not in head
            and (part.loose or next(part.module.parameters(), None) is not None)
        )

    def names(self, parts: Iterable[Part]) -> list[str]:
        """Return the parameters of parts by their full names, in the net's order."""
        chosen: set[int] = set()
        for part in parts:
            chosen |= {id(parameter) for parameter in part.module.parameters()}
            chosen |= {id(self.module.get_parameter(name)) for name in part.loose}
        return [name for name, value in self.module.named_parameters() if id(value) in chosen]

    def depths(self) -> dict[str, int]:
        """Return how far each parameter lies before the head, by full name.

        0: the head, and what lies in no block; 1: the last block that `last:k` counts; and so on.
        """
        found = dict.fromkeys((name for name, _ in self.module.named_parameters()), 0)
        for depth, part in enumerate(reversed(self.backbone), start=1):
            found |= dict.fromkeys(self.names([part]), depth)
        return found

    def used_asides(self, trained: Iterable[str]) -> tuple[Aside, ...]:
        """Return the auxiliary heads of which something trains."""
        chosen = set(trained)
        return tuple(
            aside
            for aside in self.asides
            if any(f"{aside.name}.{name}" in chosen for name, _ in aside.module.named_parameters())
        )


def known() -> list[str]:
    """Return the names of torchvision's classifiers."""
    names: list[str] = torchvision.models.list_models(module=torchvision.models)
    return names


def is_published(name: str | None) -> bool:
    """Return True if torchvision has such a net."""
    return name in known()


def check_name(name: str) -> None:
    """Refuse a net that is not there.

    Raises:
        RecipeFaults: on `model.name`, with what would be right.
    """
    if name.startswith(TIMM) or is_published(name):
        return
    near = nearest(name, known())
    meant = f"did you mean `{near}`?" if near else f"known: {', '.join(known())}, timm/NAME"
    raise RecipeFaults([Fault(field="model.name", description=f"unknown net `{name}`; {meant}")])
