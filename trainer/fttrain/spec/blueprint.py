"""The blueprint of a net: its modules as a tree, what each gives out, holds and costs."""

from fttrain.spec.plan import Card


class Node(Card):
    """A module with all that is in it. What its children do not have of a sum is its own."""

    name: str
    """Within its parent; that of the net at the top."""
    kind: str
    """Its class."""
    detail: str = ""
    """`7×7, 3 → 64, stride 2`."""
    output: list[int] | None
    """Shape of what it gives out for one image. None: evaluation does not run it."""
    parameters: int
    trained: int
    """So many of them train, in whichever stage."""
    macs: int
    """Multiply-accumulates for one image."""
    groups: list[int] = []
    """The groups that its parameters are in, by their place in `Blueprint.groups`."""
    children: list["Node"] = []


class BlueprintGroup(Card):
    """Parameters that share a learning rate and decay."""

    name: str
    parameters: int
    lr: float
    weight_decay: float


class Blueprint(Card):
    """A whole net."""

    net: str
    input: tuple[int, int, int]
    """Shape of the image that was sent through it, (C, H, W)."""
    classes: int
    parameters: int
    trained: int
    macs: int
    """Of convolutions and matrix products, torch's FlopCounterMode halved, for one image in
    evaluation. Biases, norms, activations and pooling do not count."""
    groups: list[BlueprintGroup]
    """Of all stages, one after the other."""
    notes: list[str] = []
    """What was not known, and what was taken instead."""
    root: Node
