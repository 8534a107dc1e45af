"""List what a job has made, and fetch it. `pull` fetches the model and the pictures into a folder
of the job's name, or what is named."""

import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from ftctl._async.client import AsyncClient
from ftctl.cli import codes, reach
from ftctl.errors import BadInput
from ftctl.models import ArtifactFile
from ftctl.view import artifacts, console
from ftctl.view.transfer import Transfer

CHECKPOINTS = "checkpoint/"


def configure(parser: ArgumentParser) -> None:
    """Add what the verb takes."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="list what a job has made, with sizes")
    listing.add_argument("job", metavar="JOB", help="id, start of an id, or name")
    listing.add_argument(
        "-o", dest="format", metavar="FORMAT", choices=["json"], help="json: an array of files"
    )
    pulling = actions.add_parser("pull", help="fetch what a job has made")
    pulling.add_argument("job", metavar="JOB", help="id, start of an id, or name")
    pulling.add_argument(
        "kinds", metavar="KIND", nargs="*",
        help="which, such as model; default: all but the checkpoints",
    )  # fmt: skip
    pulling.add_argument(
        "-d", "--dir", metavar="DIR", help="folder to put it into; default: the job's name"
    )
    pulling.add_argument("--force", action="store_true", help="replace files that are there")


async def run(args: Namespace) -> int:
    """Run the verb."""
    async with reach.client(args) as client:
        if args.action == "pull":
            return await _pull(client, args)
        found = await client.artifacts(args.job)
    if args.format == "json":
        sys.stdout.write(json.dumps([asdict(each) for each in found], indent=2) + "\n")
    else:
        out = console.out()
        console.show(out, artifacts.lines(found, console=out))
    return codes.DONE


async def _pull(client: AsyncClient, args: Namespace) -> int:
    job = await client.get(args.job)
    found = await client.artifacts(job.id)
    chosen = _chosen(found, args.kinds, job.name)
    folder = Path(args.dir or job.name)
    places = {each.kind: folder / _place(each) for each in chosen}
    if (there := [str(place) for place in places.values() if place.exists()]) and not args.force:
        raise BadInput(f"{', '.join(there)}: is there already; --force replaces it")
    for kind, place in places.items():
        place.parent.mkdir(parents=True, exist_ok=True)
        with Transfer(sys.stderr, str(place)) as told:
            await client.pull(job.id, kind, place, on_progress=told.at)
        sys.stdout.write(f"{place}\n")
    return codes.DONE


def _chosen(found: Sequence[ArtifactFile], kinds: Sequence[str], name: str) -> list[ArtifactFile]:
    known = {each.kind: each for each in found}
    if missing := [kind for kind in kinds if kind not in known]:
        has = f"it has {', '.join(known)}" if known else "it has made none yet"
        raise BadInput(f"job {name} has no artifact `{missing[0]}`; {has}")
    chosen = [known[kind] for kind in dict.fromkeys(kinds)]
    chosen = chosen or [each for each in found if not each.kind.startswith(CHECKPOINTS)]
    if not chosen:
        raise BadInput(f"job {name} has made nothing to fetch yet")
    return chosen


def _place(artifact: ArtifactFile) -> str:
    """Return where a file goes within the folder: checkpoints into one of their own."""
    is_checkpoint = artifact.kind.startswith(CHECKPOINTS)
    return f"checkpoints/{artifact.name}" if is_checkpoint else artifact.name
