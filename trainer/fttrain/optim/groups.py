"""The group table: which parameters train, with which learning rate and decay."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from torch import nn

from fttrain.models import select
from fttrain.models.zoo import Net
from fttrain.spec import optimization, training
from fttrain.spec.faults import Fault, RecipeFaults
from fttrain.spec.plan import GroupCard


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
        return [_card(net, train, whole, trained)]
    members = _members(net, train, trained)
    _refuse_overlaps(members)
    _refuse_orphans(trained, members)
    pairs = zip(train.groups, members, strict=True)
    return [_card(net, train, group, names) for group, names in pairs]


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
        (c.name, str(c.tensors), f"{c.parameters:,}", f"{c.lr:g}", f"{c.weight_decay:g}")
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
    return members


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
            "them, or take them out of train.trains"
        )
        raise RecipeFaults([Fault(field="train.groups", description=what)])


def _counted(names: list[str]) -> str:
    return f"{len(names)} parameters are" if len(names) > 1 else "1 parameter is"


def _card(
    net: Net, train: training.Train, group: optimization.Group, names: list[str]
) -> GroupCard:
    options = train.optimizer.value
    parameters = dict(net.module.named_parameters())
    decay = group.weight_decay if group.weight_decay is not None else options.weight_decay
    return GroupCard(
        name=", ".join(group.select),
        tensors=len(names),
        parameters=sum(parameters[name].numel() for name in names),
        lr=group.lr if group.lr is not None else options.lr,
        weight_decay=decay,
        names=names,
    )
