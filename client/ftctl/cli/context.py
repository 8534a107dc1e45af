"""Keep daemons of other machines by name, each with its token, and choose the one that commands go
to. The file is XDG_CONFIG_HOME/finetuned/contexts.json (XDG_CONFIG_HOME: ~/.config); only you can
read it. FTCTL_CONTEXT=NAME takes another context for one command; `local` is this machine's
socket."""

import getpass
import json
import os
import sys
from argparse import ArgumentParser, Namespace

from rich.text import Text

from ftctl import address, contexts
from ftctl.address import Server
from ftctl.cli import codes
from ftctl.contexts import LOCAL, Contexts
from ftctl.errors import BadInput
from ftctl.view import console, grid

TITLES = ("", "name", "server", "ca")
TOKEN_HELP = (
    "The token is read from FTCTL_TOKEN, else asked for on a terminal, else read from stdin."
)


def configure(parser: ArgumentParser) -> None:
    """Add what the verb takes."""
    actions = parser.add_subparsers(title="actions", dest="action", metavar="ACTION", required=True)
    add = actions.add_parser(
        "add", help="keep a daemon's server and token under a name",
        description=f"Keep a daemon's server and token under a name. {TOKEN_HELP}",
    )  # fmt: skip
    add.add_argument("name", metavar="NAME", help="what to call it; one of that name is replaced")
    add.add_argument(
        "--server", metavar="HOST:PORT", required=True, help="where the daemon listens"
    )
    add.add_argument(
        "--ca", metavar="FILE", default=None,
        help="the CA that signed its certificate, as PEM; default: those that the system trusts",
    )  # fmt: skip
    use = actions.add_parser(
        "use", help="have commands go to it",
        description="Have commands go to a context, or to this machine's socket again.",
    )  # fmt: skip
    use.add_argument("name", metavar="NAME", nargs="?", help=f"the context; {LOCAL}: the socket")
    use.add_argument("--none", action="store_true", help=f"the same as {LOCAL}")
    show = actions.add_parser(
        "list", help="list them, without tokens", description="List contexts, without tokens."
    )
    show.add_argument(
        "-o", dest="format", metavar="FORMAT", choices=["json"], help="json: an array of contexts"
    )
    rm = actions.add_parser(
        "rm", help="forget one",
        description="Forget a context and its token; `ftd token revoke` ends the token itself.",
    )  # fmt: skip
    rm.add_argument("name", metavar="NAME", help="the context")


async def run(args: Namespace) -> int:
    """Run the verb."""
    path = contexts.place()
    kept = contexts.read(path)
    if args.action == "list":
        return _list(kept, args)
    server = _server(kept, args) if args.action == "add" else None
    with contexts.alone(path):
        changed, told = _changed(contexts.read(path), args, server)
        contexts.write(path, changed)
    sys.stdout.write(told + "\n")
    return codes.DONE


def _server(kept: Contexts, args: Namespace) -> Server:
    # What is wrong with name and server is said before a token is asked for.
    kept.having(args.name, address.server(args.server, token="-"))
    return address.server(args.server, token=_token(args.server), ca=args.ca)


def _changed(kept: Contexts, args: Namespace, server: Server | None) -> tuple[Contexts, str]:
    if server is not None:
        return _add(kept, args.name, server)
    if args.action == "use":
        return _use(kept, args)
    return kept.without(args.name), f"context {args.name} is forgotten"


def _add(kept: Contexts, name: str, server: Server) -> tuple[Contexts, str]:
    changed = kept.having(name, server)
    told = f"context {name} is {'replaced' if name in kept.servers else 'kept'}"
    if kept.current != name:
        told += f"; `ftctl context use {name}` has commands go there"
    return changed, told


def _token(server: str) -> str:
    """Return the token: from the environment, a person, or a pipe; never from the command line."""
    if given := os.environ.get("FTCTL_TOKEN"):
        return given
    if sys.stdin.isatty():
        return getpass.getpass(f"token for {server}: ")
    return sys.stdin.readline()


def _use(kept: Contexts, args: Namespace) -> tuple[Contexts, str]:
    if bool(args.name) == args.none:
        raise BadInput(f"say which context to use, or --none for this machine's socket ({LOCAL})")
    name = args.name or LOCAL
    changed = kept.using(name)
    where = "this machine's socket" if name == LOCAL else f"{kept.named(name)}, context {name}"
    return changed, f"commands go to {where}"


def _list(kept: Contexts, args: Namespace) -> int:
    if args.format == "json":
        sys.stdout.write(json.dumps(_plain(kept), indent=2, ensure_ascii=False) + "\n")
        return codes.DONE
    rows: list[list[str | Text]] = [[Text(title, "label") for title in TITLES]]
    for each in _plain(kept):
        mark = "*" if each["is_current"] else ""
        server = each["server"] or "this machine's socket"
        rows.append([mark, Text(str(each["name"]), "title"), str(server), str(each["ca"] or "")])
    out = console.out()
    console.show(out, grid.lines(rows, aligns="<<<<"))
    return codes.DONE


def _plain(kept: Contexts) -> list[dict[str, str | bool | None]]:
    """Return what may be seen of contexts."""
    told: list[dict[str, str | bool | None]] = [
        {"name": LOCAL, "server": None, "ca": None, "is_current": kept.current == LOCAL}
    ]
    told += [
        {"name": name, "server": str(server), "ca": str(server.ca) if server.ca else None,
         "is_current": kept.current == name}
        for name, server in kept.servers.items()
    ]  # fmt: skip
    return told
