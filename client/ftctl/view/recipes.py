"""Named recipes: what each is, and what it is for."""

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.text import Text

from ftctl.recipes import NamedRecipe
from ftctl.view import text

_GAP = 2
_LEAST = 30


def lines(known: Sequence[NamedRecipe], console: Console) -> Iterator[Text]:
    """Yield each name with what it is, and below that what it is for."""
    column = max((len(recipe.name) for recipe in known), default=0) + _GAP
    room = max(console.width - column - 1, _LEAST)
    for recipe in known:
        label = Text(f" {recipe.name}".ljust(column + 1), "title")
        said = (Text(text.clean(recipe.title)), Text(text.clean(recipe.purpose), "label"))
        for part in (line for entry in said for line in entry.wrap(console, room)):
            part.rstrip()
            yield label.append_text(part)
            label = Text(" " * (column + 1))
    yield Text()
    yield Text(" `ftctl recipes NAME` prints one; `recipe: NAME` in a job file bases it on one")
