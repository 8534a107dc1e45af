"""The group table: which parameters train, with which learning rate and decay."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from torch import nn

from fttrain.models import norms, select
from fttrain.models.zoo import Net
from fttrain.spec import optimization, training
from fttrain.spec.faults import Fault, RecipeFaults
from fttrain.spec.plan import GroupCard

REST = "rest"
"""Selects, of a group, what no other group does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedGroup:
    """Parameters that share learning rate and decay."""

    lr: float
    weight_decay: float
    parameters: dict[str, nn.Parameter]


def table(net: Net, train: training.Train) -> list[GroupCard]:
    """Work out the group table of a recipe.

    Raises:
        RecipeFaults: for selectors without a match, groups that share a parameter, groups of which
            nothing trains, and trained parameters in no group.
    """
    trained = select.union(net, train.trains, "train.trains")
    if not train.groups:
        whole = optimization.Group(select=train.trains)
        return list(_cards(net, train, whole, trained))
    members = _members(net, train, trained)
    _refuse_overlaps(members)
    _refuse_orphans(trained, members)
    pairs = zip(train.groups, members, strict=True)
    return [card for group, names in pairs for card in _cards(net, train, group, names)]


def of_cards(cards: Sequence[GroupCard], module: nn.Module) -> list[TrainedGroup]:
    """Put a net's parameters into the groups of a plan; freeze all others."""
    parameters = dict(module.named_parameters())
    trained = {name for card in cards for name in card.names}
    for name, parameter in parameters.items():
        parameter.requires_grad_(name in trained)
    return [
        TrainedGroup(
            lr=card.lr,
            weight_decay=card.weight_decay,
            parameters={name: parameters[name] for name in card.names},
        )
        for card in cards
    ]


def lines(cards: Iterable[GroupCard]) -> list[str]:
    """Write the table for people."""
    rows = [("group", "tensors", "parameters", "lr", "weight decay")]
    rows += [
        (c.name, str(c.tensors), f"{c.parameters:,}", _rate(c), f"{c.weight_decay:g}")
        for c in cards
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]


def _members(net: Net, train: training.Train, trained: list[str]) -> list[list[str]]:
    """Return the trained parameters of each group; of a group, every selector must have some."""
    chosen = set(trained)
    members: list[list[str]] = []
    faults: list[Fault] = []
    for index, group in enumerate(train.groups):
        field = f"train.groups[{index}].select"
        if group.select == [REST]:
            members.append([])
            continue
        try:
            names = select.union(net, group.select, field)
        except RecipeFaults as found:
            faults += found.faults
            continue
        members.append([name for name in names if name in chosen])
        if not members[-1]:
            what = f"matches {len(names)} parameters, none of which trains; see train.trains"
            faults.append(Fault(field=field, description=what))
    if faults:
        raise RecipeFaults(faults)
    return _with_rest(train, trained, members)


def _with_rest(
    train: training.Train, trained: list[str], members: list[list[str]]
) -> list[list[str]]:
    """Give what no group selects to the one that takes the rest."""
    taken = {name for names in members for name in names}
    rest = [name for name in trained if name not in taken]
    whole = []
    for index, (group, names) in enumerate(zip(train.groups, members, strict=True)):
        if group.select == [REST] and not rest:
            what = "`rest` is what no other group selects, and they select all that trains"
            raise RecipeFaults([Fault(field=f"train.groups[{index}].select", description=what)])
        whole.append(rest if group.select == [REST] else names)
    return whole


def _refuse_overlaps(members: list[list[str]]) -> None:
    owner: dict[str, int] = {}
    faults = []
    for index, names in enumerate(members):
        shared = [name for name in names if name in owner]
        if shared:
            what = (
                f"{_counted(shared)} already in train.groups[{owner[shared[0]]}] "
                f"(such as {shared[0]}); a parameter has one learning rate"
            )
            faults.append(Fault(field=f"train.groups[{index}].select", description=what))
        owner.update({name: index for name in names if name not in owner})
    if faults:
        raise RecipeFaults(faults)


def _refuse_orphans(trained: list[str], members: list[list[str]]) -> None:
    grouped = {name for names in members for name in names}
    orphans = [name for name in trained if name not in grouped]
    if orphans:
        shown = ", ".join(orphans[:2]) + (", ..." if len(orphans) > 2 else "")
        what = (
            f"{_counted(orphans)} trained but in no group ({shown}); add a group that selects "
            "them, such as {select: rest}, or take them out of train.trains"
        )
        raise RecipeFaults([Fault(field="train.groups", description=what)])


def _counted(names: list[str]) -> str:
    return f"{len(names)} parameters are" if len(names) > 1 else "1 parameter is"


def _cards(
    net: Net, train: training.Train, group: optimization.Group, names: list[str]
) -> Iterator[GroupCard]:
    """Write one row per depth that has a rate of its own, and kind that has a decay of its own."""
    options = train.optimizer.plain.value
    parameters = dict(net.module.named_parameters())
    base = rate_of(group, options.lr, train.batch_size * train.accumulate)
    decay = group.weight_decay if group.weight_decay is not None else options.weight_decay
    layers = _layers(net, train, names)
    for depth, layer in layers.items():
        kinds = _kinds(net, train, layer)
        lr, origin = _decayed(*base, train.layer_decay, depth)
        told = [f"depth {depth}"] if len(layers) > 1 else []
        for kind, (own, members) in kinds.items():
            which = [*told, kind] if len(kinds) > 1 else told
            yield GroupCard(
                name=", ".join(group.select) + (f" ({', '.join(which)})" if which else ""),
                tensors=len(members),
                parameters=sum(parameters[member].numel() for member in members),
                lr=lr,
                weight_decay=decay if own is None else own,
                names=members,
                lr_origin=origin,
            )


def _layers(net: Net, train: training.Train, names: list[str]) -> dict[int, list[str]]:
    """Part names by their depth before the head, that first; all are one without layer_decay."""
    if train.layer_decay is None:
        return {0: names}
    depths = net.depths()
    return {
        depth: [name for name in names if depths[name] == depth]
        for depth in sorted({depths[name] for name in names})
    }


def _decayed(lr: float, origin: str, decay: float | None, depth: int) -> tuple[float, str]:
    """Return the learning rate of a depth, and how it came."""
    if decay is None or depth == 0:
        return lr, origin
    return lr * decay**depth, f"{origin or f'{lr:g}'} x {decay:g}^{depth}"


def _kinds(
    net: Net, train: training.Train, names: list[str]
) -> dict[str, tuple[float | None, list[str]]]:
    """Part names by kind, as torchvision's references do; with the decay stated for each."""
    modules = net.module.named_modules()
    normalising = {path for path, module in modules if isinstance(module, norms.KNOWN)}
    kinds: dict[str, tuple[float | None, list[str]]] = {
        "others": (None, []),
        "norms": (train.norm_weight_decay, []),
        "biases": (train.bias_weight_decay, []),
    }
    for name in names:
        path, _, leaf = name.rpartition(".")
        if train.bias_weight_decay is not None and leaf == "bias":
            kind = "biases"
        elif train.norm_weight_decay is not None and path in normalising:
            kind = "norms"
        else:
            kind = "others"
        kinds[kind][1].append(name)
    return {kind: (decay, members) for kind, (decay, members) in kinds.items() if members}


def rate_of(
    group: optimization.Group, lr: float | optimization.ScaledRate, images: int
) -> tuple[float, str]:
    """Return the learning rate of a group, and how it came."""
    if group.lr_factor is None:
        return _effective(group.lr or lr, images)
    whole, origin = _effective(lr, images)
    return whole * group.lr_factor, f"{origin or f'{whole:g}'} x {group.lr_factor:g}"


def _effective(lr: float | optimization.ScaledRate, images: int) -> tuple[float, str]:
    """Return the learning rate at so many images per step, and how it came."""
    if not isinstance(lr, optimization.ScaledRate):
        return lr, ""
    share, shown = images / lr.at_batch, f"{images}/{lr.at_batch}"
    match lr.scale:
        case "none":
            return lr.base, ""
        case "linear":
            return lr.base * share, f"{lr.base:g} x {shown}"
        case "sqrt":
            return lr.base * math.sqrt(share), f"{lr.base:g} x sqrt({shown})"


def _rate(card: GroupCard) -> str:
    return f"{card.lr:g} = {card.lr_origin}" if card.lr_origin else f"{card.lr:g}"
