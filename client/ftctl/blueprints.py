"""What a net is made of: its modules as a tree, with their sizes, costs and what trains."""

from collections.abc import Mapping
from typing import Any

from ftctl import drawing, html

DEPTH = 2
"""How many levels of modules are shown, where nothing is said."""


class Blueprint(dict[str, Any]):
    """A blueprint: all that the engine wrote down, and as a picture."""

    def svg(self, depth: int = DEPTH) -> str:
        """Return a diagram as the text of an SVG file, its modules shown down to a depth."""
        return drawing.svg(self, depth)

    def module(self, path: str) -> Mapping[str, Any]:
        """Return a module by its dotted path, such as `layer4.1.conv2`; `` is the net itself.

        Raises:
            KeyError: where there is none.
        """
        node: Mapping[str, Any] = self["root"]
        for name in filter(None, path.split(".")):
            found = [child for child in node["children"] if child["name"] == name]
            if not found:
                raise KeyError(f"{self['net']} has no module `{path}`")
            node = found[0]
        return node

    def __repr__(self) -> str:
        return f"<Blueprint: {'; '.join(f'{label} {text}' for label, text in _facts(self))}>"

    def _repr_svg_(self) -> str:
        return self.svg()

    def _repr_html_(self) -> str:
        return html.card(f"Net {self['net']}", _facts(self), below=self.svg())


def _facts(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [
        ("net", str(found["net"])),
        ("parameters", f"{found['parameters']:,}"),
        ("train", f"{found['trained']:,}"),
        ("multiply-accumulates", f"{found['macs']:,}"),
    ]
