"""How the daemon will run a job, as the engine decided it."""

from collections.abc import Iterator, Mapping
from typing import Any

from ftctl import html


class Plan(dict[str, Any]):
    """A plan: all that the engine wrote down, and in short."""

    def facts(self) -> list[tuple[str, str]]:
        """Return the plan in a few facts; those that it does not have are left out."""
        told = []
        for label, read in _FACTS.items():
            try:
                told.append((label, read(self)))
            except (KeyError, TypeError, IndexError):
                # A plan is the engine's; that of another version may look otherwise.
                continue
        return told

    def __repr__(self) -> str:
        return f"<Plan: {'; '.join(text for _, text in self.facts()) or 'of another version'}>"

    def _repr_html_(self) -> str:
        return html.card("Plan", self.facts(), below="".join(_tables(self)))


def _tables(plan: Plan) -> Iterator[str]:
    """Yield the group table, one for each stage where there are several."""
    for place, stage in enumerate(plan.get("stages") or [plan], start=1):
        groups = [
            (group.get("name"), group.get("tensors"), group.get("parameters"), group.get("lr"))
            for group in stage.get("groups") or ()
            if isinstance(group, Mapping)
        ]
        title = f"stage {place}: group" if plan.get("stages") else "group"
        if groups:
            yield html.table((title, "tensors", "parameters", "lr"), groups)


def _data(plan: Plan) -> str:
    data = plan["data"]
    return (
        f"{data['train']['images']:,} training + {data['val']['images']:,} validation images, "
        f"{len(data['classes'])} classes"
    )


def _net(plan: Plan) -> str:
    return f"{plan['parameters_trained']:,} of {plan['parameters']:,} parameters train"


def _steps(plan: Plan) -> str:
    stages = f" in {len(plan['stages'])} stages" if plan.get("stages") else ""
    images = plan["batch_size"]
    return f"{plan['epochs']} epochs{stages}, {plan['steps']:,} steps of {images} images"


def _machine(plan: Plan) -> str:
    return f"{plan['device']}, {plan['threads']} threads, {plan['precision']}"


_FACTS = {"data": _data, "net": _net, "steps": _steps, "runs on": _machine}
