"""Whether weights fit a net."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from torch import Tensor

from fttrain.models.zoo import Net
from fttrain.spec.faults import Fault, RecipeFaults


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """Which tensors a net takes from the weights, and which stay new."""

    loaded: list[str]
    new: list[str]


def compare(net: Net, tensors: Mapping[str, Tensor], *, keep_head: bool, source: str) -> Fit:
    """Compare names and shapes; a head that is replaced does not count.

    Nor do auxiliary heads that the weights leave out.

    Raises:
        RecipeFaults: one on `model.weights`, with a short account of what does not fit.
    """
    wanted = {name: tuple(t.shape) for name, t in net.module.state_dict().items()}
    given = {name: tuple(t.shape) for name, t in tensors.items()}
    apart = _apart(net, [*wanted, *given], given, keep_head=keep_head)
    both = [name for name in wanted if name in given and name not in apart]
    reshaped = [name for name in both if wanted[name] != given[name]]
    missing = [n for n in wanted if n not in given and n not in apart and not _is_count(n)]
    unexpected = [name for name in given if name not in wanted and name not in apart]
    if missing or unexpected or reshaped:
        parts = [f"{len(both) - len(reshaped)} tensors match"]
        parts += _counted(missing, "missing")
        parts += _counted(unexpected, "unexpected")
        parts += _counted(
            [f"{n} ({_shape(given[n])}, not {_shape(wanted[n])})" for n in reshaped],
            "of another shape",
        )
        what = f"`{source}` does not fit {net.name}: {'; '.join(parts)}"
        what += "" if keep_head else " (the head apart)"
        raise RecipeFaults([Fault(field="model.weights", description=what)])
    return Fit(loaded=both, new=[name for name in wanted if name in apart])


def _apart(net: Net, names: Iterable[str], given: Iterable[str], *, keep_head: bool) -> set[str]:
    """Return the names that need not be in the weights, or need not be what they are there."""
    replaced = [] if keep_head else [net.head, *(aside.last for aside in net.asides)]
    left_out = [
        aside.name
        for aside in net.asides
        if not any(name.startswith(f"{aside.name}.") for name in given)
    ]
    begins = tuple(f"{path}." for path in (*replaced, *left_out))
    return {name for name in names if name.startswith(begins)}


def _is_count(name: str) -> bool:
    """Batches are not counted in files from before torch 0.4.1; nothing depends on it."""
    return name.endswith("num_batches_tracked")


def _counted(names: list[str], what: str) -> list[str]:
    if not names:
        return []
    return [f"{len(names)} {what}, such as {' and '.join(names[:2])}"]


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "a single number"
