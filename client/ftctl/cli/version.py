"""Print the version of the client, the API that it speaks, and whether a daemon answers. Needs no
daemon."""

import json
import sys
from argparse import ArgumentParser, Namespace

from ftctl import release
from ftctl.cli import codes, reach
from ftctl.errors import FtctlError


def configure(parser: ArgumentParser) -> None:
    """Add what the verb takes."""
    parser.add_argument(
        "-o", dest="format", metavar="FORMAT", choices=["json"], help="json: for programs"
    )


async def run(args: Namespace) -> int:
    """Run the verb."""
    client = reach.client(args)
    version, trouble = "", ""
    try:
        async with client:
            version = (await client.daemon()).version
    except FtctlError as error:
        trouble = str(error)
    if args.format == "json":
        told = {
            "client": release.version(),
            "api": release.API,
            "daemon": {
                "address": str(client.address),
                "answers": not trouble,
                "version": version,
                "trouble": trouble,
            },
        }
        sys.stdout.write(json.dumps(told, indent=2, ensure_ascii=False) + "\n")
        return codes.DONE
    sys.stdout.write(f"client  {release.version()}\napi     {release.API}\n")
    sys.stdout.write(f"daemon  {trouble or f'{version}, answers at {client.address}'}\n")
    if version and not release.is_close(release.version(), version):
        sys.stdout.write(
            "        another version than the client's: what only one of them knows is refused\n"
        )
    return codes.DONE
