"""List the recipes that a job file can be based on by `recipe: NAME`, or print one as YAML, ready
to copy. What a job file says itself is merged over its recipe: maps key by key, lists replace."""

import sys
from argparse import ArgumentParser, Namespace

from ftctl.cli import codes, reach
from ftctl.errors import BadInput
from ftctl.nearest import nearest
from ftctl.recipes import NamedRecipe
from ftctl.view import console, jsontext, recipes


def configure(parser: ArgumentParser) -> None:
    """Add what the verb takes."""
    parser.add_argument("name", metavar="NAME", nargs="?", help="print this one")
    parser.add_argument(
        "-o", dest="format", metavar="FORMAT", choices=["json"],
        help="json: an array of recipes, or the one that is named",
    )  # fmt: skip


async def run(args: Namespace) -> int:
    """Run the verb."""
    async with reach.client(args) as client:
        known = await client.recipes()
    if args.name is not None:
        recipe = _named(known, args.name)
        as_json = args.format == "json"
        sys.stdout.write(jsontext.recipe(recipe) + "\n" if as_json else recipe.yaml)
    elif args.format == "json":
        sys.stdout.write(jsontext.recipes(known) + "\n")
    else:
        out = console.out()
        console.show(out, recipes.lines(known, out))
    return codes.DONE


def _named(known: tuple[NamedRecipe, ...], name: str) -> NamedRecipe:
    found = {recipe.name: recipe for recipe in known}
    if name in found:
        return found[name]
    near = nearest(name, found)
    hint = f"did you mean `{near}`?" if near else f"there are {', '.join(found)}"
    raise BadInput(f"no recipe is named `{name}`; {hint}")
