"""Ask a job's model what images of this machine show. The daemon answers beside training, never on
a device, and keeps no image."""

from argparse import ArgumentParser, Namespace
from contextlib import nullcontext
from pathlib import Path

from rich.console import Console

from ftctl import predictions
from ftctl.cli import codes, reach
from ftctl.models import Job
from ftctl.predictions import MOST_TOP, Picture
from ftctl.view import console
from ftctl.view.predictions import Csv, Json, Sheet, Table
from ftctl.view.text import counted


def configure(parser: ArgumentParser) -> None:
    """Add what the verb takes."""
    parser.add_argument("job", metavar="JOB", help="id, start of an id, or name")
    parser.add_argument(
        "files", metavar="FILE", nargs="+", type=Path,
        help="an image, or a folder: all images in and beneath it",
    )  # fmt: skip
    parser.add_argument(
        "--top", metavar="N", type=int, choices=range(1, MOST_TOP + 1), default=1,
        help=f"say the N most likely classes, 1 (default) to {MOST_TOP}",
    )  # fmt: skip
    parser.add_argument(
        "-o", dest="format", metavar="FORMAT", choices=["table", "csv", "json"], default="table",
        help="table (default), csv, or json: an array of images",
    )  # fmt: skip


async def run(args: Namespace) -> int:
    """Run the verb."""
    found = predictions.pictures(args.files)
    paths = [picture.path for picture in found]
    out = console.out()
    async with reach.client(args) as client:
        job = await client.get(args.job)
        asked = f"asking the model of {job.name} about {counted(len(found), 'image')}"
        sheet: Sheet | None = None
        with console.waiting(out, asked) if args.format == "table" else nullcontext():
            try:
                async for answer in client.predict(job.id, paths):
                    sheet = sheet or _sheet(args, out, job, found)
                    sheet.add(answer)
            finally:
                if sheet is not None:
                    sheet.end()
    return codes.DONE


def _sheet(args: Namespace, out: Console, job: Job, found: list[Picture]) -> Sheet:
    match args.format:
        case "csv":
            return Csv(top=args.top)
        case "json":
            return Json(top=args.top)
    classes = job.plan.get("data", {}).get("classes", []) if job.plan else []
    return Table(out, [each.path for each in found], classes, top=args.top)
