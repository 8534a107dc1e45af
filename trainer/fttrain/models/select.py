"""Selectors: which parameters a recipe means.

    all  head  first:3  last:3        blocks of the backbone that hold parameters, in depth order
    norm                              normalisation layers of whatever class
    block:features[-5:]               a module, or a slice of a chain of modules
    type:BatchNorm2d  param:bias      by class of the module; by own name of the parameter
    features.18.*                     any other text: a glob over the parameters' full names

A selector that matches nothing is a fault.
"""

import fnmatch
import re
from collections.abc import Callable, Iterable, Sequence

from torch import nn

from fttrain.models import norms
from fttrain.models.zoo import Net
from fttrain.spec.faults import Fault, RecipeFaults
from fttrain.spec.nearest import nearest

Names = list[str]


class _NoMatch(Exception):
    """A selector without a match; the message says what there is."""


def union(net: Net, selectors: Sequence[str], field: str) -> Names:
    """Return the parameters that any of the selectors matches, in the net's order.

    Raises:
        RecipeFaults: one for each selector that matches nothing, on `field[i]`.
    """
    found: set[str] = set()
    faults = []
    for index, selector in enumerate(selectors):
        try:
            found |= set(_matches(net, selector))
        except _NoMatch as no_match:
            faults.append(Fault(field=f"{field}[{index}]", description=str(no_match)))
    if faults:
        raise RecipeFaults(faults)
    return [name for name, _ in net.module.named_parameters() if name in found]


def _matches(net: Net, selector: str) -> Names:
    if selector == "all":
        return _names(net, [net.module])
    if selector == "head":
        return _names(net, [net.head_layer])
    if selector == "norm":
        return _by_norm(net)
    kind, colon, rest = selector.partition(":")
    if not colon or "[" in kind:  # the colon of a range, as in features[-5:]
        return _by_glob(net, selector)
    if kind not in _KINDS:
        near = nearest(kind, _KINDS)
        known = f"did you mean `{near}:{rest}`?" if near else f"known: {', '.join(_KNOWN)}"
        raise _NoMatch(f"unknown kind of selector `{kind}:`; {known}")
    return _KINDS[kind](net, rest)


def _names(net: Net, modules: Iterable[nn.Module]) -> Names:
    chosen = {id(parameter) for module in modules for parameter in module.parameters()}
    return [name for name, parameter in net.module.named_parameters() if id(parameter) in chosen]


def _by_depth(net: Net, kind: str, text: str) -> Names:
    blocks = net.backbone
    if not re.fullmatch(r"[1-9][0-9]*", text) or int(text) > len(blocks):
        raise _NoMatch(
            f"`{kind}:{text}` needs a number from 1 to {len(blocks)}: {net.name} has "
            f"{len(blocks)} block{'s' if blocks[1:] else ''} with parameters before its head"
        )
    count = int(text)
    return net.names(blocks[:count] if kind == "first" else blocks[-count:])


def _by_first(net: Net, text: str) -> Names:
    return _by_depth(net, "first", text)


def _by_last(net: Net, text: str) -> Names:
    return _by_depth(net, "last", text)


# --- block:features[-5:] --------------------------------------------------------------------

_STEP = re.compile(r"(?:^|\.)(?P<name>\w+)|\[(?P<slice>-?\d+|(?:-?\d+)?(?::(?:-?\d+)?){1,2})\]")

_SUCH_AS = "write it as `block:features[-5:]` or `block:layer4[0].conv1`"


def _by_block(net: Net, text: str) -> Names:
    if not text:
        raise _NoMatch(f"`block:` cannot be read; {_SUCH_AS}")
    modules: Sequence[nn.Module] = [net.module]
    position, here = 0, net.name
    while position < len(text):
        step = _STEP.match(text, position)
        if step is None or len(modules) != 1:
            raise _NoMatch(f"`block:{text}` cannot be read from `{text[position:]}` on; {_SUCH_AS}")
        if step["name"]:
            modules = [_child(modules[0], step["name"], here)]
        else:
            modules = _slice(modules[0], step["slice"], here)
        position, here = step.end(), f"`{text[: step.end()]}`"
    names = _names(net, modules)
    if not names:
        raise _NoMatch(f"`block:{text}` holds no parameters")
    return names


def _child(module: nn.Module, name: str, here: str) -> nn.Module:
    children = dict(module.named_children())
    if name not in children:
        raise _NoMatch(f"{here} has no `{name}`{_nearest(name, children)}")
    return children[name]


def _slice(module: nn.Module, text: str, here: str) -> Sequence[nn.Module]:
    if not isinstance(module, nn.Sequential | nn.ModuleList):
        raise _NoMatch(f"{here} is no chain of blocks, so it takes no `[{text}]`")
    parts = [int(part) if part else None for part in text.split(":")]
    chain = list(module)
    if len(parts) == 1 and parts[0] is not None:
        if not -len(chain) <= parts[0] < len(chain):
            raise _NoMatch(f"{here} has the blocks 0 to {len(chain) - 1}, so `[{text}]` is none")
        return [chain[parts[0]]]
    chosen = chain[slice(*parts)] if parts[2:] != [0] else []
    if not chosen:
        raise _NoMatch(f"{here} has the blocks 0 to {len(chain) - 1}; `[{text}]` takes none")
    return chosen


# --- type:BatchNorm2d, param:bias, globs ----------------------------------------------------


def _by_type(net: Net, text: str) -> Names:
    modules = [module for module in net.module.modules() if type(module).__name__ == text]
    names = _names(net, modules)
    if names:
        return names
    holders = [m for m in net.module.modules() if next(m.parameters(), None) is not None]
    known = sorted({type(module).__name__ for module in holders})
    raise _NoMatch(f"{net.name} has no `{text}` with parameters{_nearest(text, known)}")


def _by_norm(net: Net) -> Names:
    found = _names(net, [module for module in net.module.modules() if norms.is_norm(module)])
    if not found:
        raise _NoMatch(f"{net.name} has no normalisation layer with parameters")
    return found


def _by_own_name(net: Net, text: str) -> Names:
    names = [name for name, _ in net.module.named_parameters()]
    found = [name for name in names if name.rpartition(".")[2] == text]
    if not found:
        known = sorted({name.rpartition(".")[2] for name in names})
        raise _NoMatch(f"no parameter of {net.name} is called `{text}`{_nearest(text, known)}")
    return found


def _by_glob(net: Net, text: str) -> Names:
    names = [name for name, _ in net.module.named_parameters()]
    found = fnmatch.filter(names, text)
    if found:
        return found
    tops = list(dict.fromkeys(name.partition(".")[0] for name in names))
    top, dot, rest = text.partition(".")
    near = nearest(top, tops)
    if dot and near and near != top:
        hint = f"; did you mean `{near}.{rest}`?"
    elif text.partition("[")[0] in tops:
        hint = f"; did you mean `{f'block:{text}' if '[' in text else f'{text}.*'}`?"
    else:
        hint = _nearest(text, ["all", "head", "norm", *names])
    raise _NoMatch(f"`{text}` matches no parameter of {net.name}{hint}")


def _nearest(text: str, known: Iterable[str]) -> str:
    candidates = list(known)
    near = nearest(text, candidates)
    if near:
        return f"; did you mean `{near}`?"
    shown = ", ".join(candidates[:8]) + (", ..." if len(candidates) > 8 else "")
    return f"; there are: {shown}"


_KINDS: dict[str, Callable[[Net, str], Names]] = {
    "first": _by_first,
    "last": _by_last,
    "block": _by_block,
    "type": _by_type,
    "param": _by_own_name,
}
_KNOWN = ("all", "head", "norm", *(f"{kind}:" for kind in _KINDS), "a glob such as features.18.*")
