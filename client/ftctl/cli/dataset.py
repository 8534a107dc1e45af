"""Push photos from this machine to the daemon's, under a name that jobs take them by:
`data: {dataset: NAME}`. List, show and remove what is there."""

import sys
from argparse import ArgumentParser, Namespace
from asyncio import CancelledError
from datetime import UTC, datetime
from time import monotonic

from ftctl._async.client import AsyncClient
from ftctl.cli import add_daemon, codes, reach
from ftctl.cli.follow import command
from ftctl.datasets import PushPhase, PushProgress
from ftctl.view import console, datasets, jsontext
from ftctl.view.pushing import PushView, view

_PUSH = """\
Push the photos of a folder, or of a tar archive, which is not unpacked. Only files that the daemon
lacks are sent; a push that was cut or left goes on from what has arrived. Hidden files (.DS_Store,
Thumbs.db, .git) are left out; links to files within are followed. Of an archive, a folder that
holds all else is left out of the paths, unless it is train, val or test."""


def configure(parser: ArgumentParser) -> None:
    """Add what the verb takes."""
    actions = parser.add_subparsers(title="actions", dest="action", metavar="ACTION", required=True)
    push = actions.add_parser("push", help="send a folder or an archive", description=_PUSH)
    push.add_argument("name", metavar="NAME", help="1 to 63 of a-z, 0-9 and -; replaces one of it")
    push.add_argument(
        "source", metavar="DIR|TAR", help="a folder, or a .tar, .tar.gz, .tgz, .tar.bz2, .tar.xz"
    )
    listing = actions.add_parser(
        "list", help="list data sets", description="List data sets by name; admins see everybody's."
    )
    show = actions.add_parser(
        "show", help="show one and its folders",
        description="Show a data set: its folders with their files, its digest, who uses it.",
    )  # fmt: skip
    remove = actions.add_parser(
        "rm", help="remove one",
        description="Remove a data set that no job uses which has not ended.",
    )  # fmt: skip
    for action, what in ((push, "the data set"), (listing, "an array"), (show, "the data set")):
        action.add_argument(
            "-o", dest="format", metavar="FORMAT", choices=["json"], help=f"json: {what}"
        )
    for action in (show, remove):
        action.add_argument("name", metavar="NAME", help="its name; USER/NAME for another user's")
    for action in (push, listing, show, remove):
        add_daemon(action)


async def run(args: Namespace) -> int:
    """Run the verb."""
    async with reach.client(args) as client:
        match args.action:
            case "push":
                return await _push(client, args)
            case "list":
                return await _list(client, args)
            case "show":
                return await _show(client, args)
        await client.delete_dataset(args.name)
    sys.stdout.write(f"removed {args.name}\n")
    return codes.DONE


async def _push(client: AsyncClient, args: Namespace) -> int:
    begun = monotonic()
    # Where the result is read by a program, a person may look on still.
    with _Leaving(args) as leaving, view(args.name, console.err()) as shown:
        leaving.view = shown
        made = await client.push_dataset(args.name, args.source, on_progress=shown)
    if args.format == "json":
        sys.stdout.write(jsontext.dataset(made) + "\n")
        return codes.DONE
    out = console.out()
    console.show(out, datasets.pushed(made, shown.last, seconds=monotonic() - begun, console=out))
    return codes.DONE


class _Leaving:
    """Says, where Ctrl-C ends a push, that what has arrived stays, and how to go on."""

    def __init__(self, args: Namespace) -> None:
        self._args = args
        self.view: PushView | None = None

    def __enter__(self) -> "_Leaving":
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        is_left = kind is not None and issubclass(kind, CancelledError)
        if not is_left or self.view is None:
            return
        told = _told(self.view.last)
        again = command(self._args, "dataset", "push", self._args.name, self._args.source)
        sys.stderr.write(f"left the push of {self._args.name}{told}\n  {again}  goes on\n")


def _told(last: PushProgress) -> str:
    if last.phase in (PushPhase.LISTING, PushPhase.DIGESTING):
        return "; nothing was sent yet"
    return "; what has arrived stays"


async def _list(client: AsyncClient, args: Namespace) -> int:
    found = await client.datasets()
    if args.format == "json":
        sys.stdout.write(jsontext.datasets(found) + "\n")
        return codes.DONE
    out = console.out()
    if not found:
        out.print("no data sets; `ftctl dataset push NAME DIR` makes one")
        return codes.DONE
    width = out.width if out.is_terminal else None
    console.show(out, datasets.lines(found, now=datetime.now(UTC), width=width))
    return codes.DONE


async def _show(client: AsyncClient, args: Namespace) -> int:
    found = await client.dataset(args.name)
    if args.format == "json":
        sys.stdout.write(jsontext.dataset(found) + "\n")
        return codes.DONE
    out = console.out()
    console.show(out, datasets.card(found, now=datetime.now(UTC), console=out))
    return codes.DONE
