"""Show the devices of the machine: who holds their memory, what they do, and which processes on
them are no job's. Drain one and it takes no more jobs, until it is resumed."""

import sys
from argparse import ArgumentParser, Namespace

from ftctl._async.client import AsyncClient
from ftctl.cli import add_daemon, codes, reach
from ftctl.view import bars, console, devices, jsontext


def configure(parser: ArgumentParser) -> None:
    """Add what the verb takes."""
    parser.epilog = bars.explained()
    parser.add_argument(
        "-o", dest="format", metavar="FORMAT", choices=["json"], help="json: an array of devices"
    )
    actions = parser.add_subparsers(title="actions", dest="action", metavar="[ACTION]")
    drain = actions.add_parser(
        "drain", help="take no more jobs; those on the device go on",
        description="Have a device take no more jobs until it is resumed; those on it go on.",
    )  # fmt: skip
    drain.add_argument("--reason", metavar="TEXT", default="", help="what for, shown to who waits")
    resume = actions.add_parser(
        "resume", help="take jobs again", description="Have a drained device take jobs again."
    )
    for action in (drain, resume):
        action.add_argument("device", metavar="ID", help="id or uuid, or the start of one")
        add_daemon(action)


async def run(args: Namespace) -> int:
    """Run the verb."""
    async with reach.client(args) as client:
        match args.action:
            case "drain":
                device = await client.drain_device(args.device, args.reason)
            case "resume":
                device = await client.resume_device(args.device)
            case _:
                return await _show(client, args)
    sys.stdout.write(devices.standing(device) + "\n")
    return codes.DONE


async def _show(client: AsyncClient, args: Namespace) -> int:
    standing = await client.devices()
    if args.format == "json":
        sys.stdout.write(jsontext.devices(standing) + "\n")
        return codes.DONE
    out = console.out()
    console.show(out, devices.lines(standing, out))
    return codes.DONE
