"""The client of a command: of the daemon that its options name, or that is meant without them."""

from argparse import Namespace

from ftctl._async.client import AsyncClient


def client(args: Namespace) -> AsyncClient:
    """Return the client. Raises BadInput, as AsyncClient does."""
    return AsyncClient(args.socket, server=args.server, ca=args.ca)
