"""Evaluate a job again, without training: on its validation images, or on other labelled images of
the daemon's machine. It runs beside training, never on an accelerator; Ctrl-C ends it."""

import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from pathlib import Path

from ftctl.cli import codes, reach
from ftctl.errors import BadInput
from ftctl.evaluations import SPLITS, EvaluationReport
from ftctl.view import console, evaluating, jsontext

EPILOG = """\
exact:
  Images are decoded and framed as in the job, classes are mapped by name. On the job's own
  images the figures are exactly those that it reported; where it trained on an accelerator,
  up to the last digits.

the test lock:
  What the job itself tests on is read once, at its end, and `ftctl get JOB` has what came of it.
  `--split test` is refused, and so is --data where files of that split are among its images,
  under whatever path or link: a test that can be asked again and again chooses the model.
  Only copies, which are other files, cannot be told from other images.
"""


def configure(parser: ArgumentParser) -> None:
    """Add what the verb takes."""
    parser.formatter_class = RawDescriptionHelpFormatter
    parser.epilog = EPILOG
    parser.add_argument("job", metavar="JOB", help="id, start of an id, or name")
    parser.add_argument(
        "--data", metavar="WHERE", default="",
        help="a folder with a subfolder per class; a .csv, .tsv or .jsonl with the columns image "
        "and label; or dataset:NAME[/FOLDER], which was pushed; default: the job's own images",
    )  # fmt: skip
    parser.add_argument(
        "--split", metavar="NAME", choices=SPLITS, default="",
        help="which of the job's own: val (default), or train as evaluation sees them; test is "
        "read once, by the job itself",
    )  # fmt: skip
    parser.add_argument(
        "--allow-missing", action="store_true",
        help="classes of the model that --data has no image of count for nothing",
    )  # fmt: skip
    parser.add_argument(
        "--verdicts", metavar="FILE", type=Path, help="also write a CSV with a line per image"
    )
    parser.add_argument(
        "--confusion", metavar="FILE", type=Path, help="also draw who is taken for whom, as PNG"
    )
    parser.add_argument("--force", action="store_true", help="replace files that are there")
    parser.add_argument(
        "-o", dest="format", metavar="FORMAT", choices=["json"], help="json: an object"
    )


async def run(args: Namespace) -> int:
    """Run the verb."""
    places = [place for place in (args.verdicts, args.confusion) if place is not None]
    for place in places:
        if place.exists() and not args.force:
            raise BadInput(f"{place}: is there already; --force replaces it")
    async with reach.client(args) as client:
        job = await client.get(args.job)
        with evaluating.Waiting(job.name, sys.stderr) as waiting:
            report = await client.evaluate(
                job.id,
                data=args.data,
                split=args.split,
                allow_missing=args.allow_missing,
                verdicts=args.verdicts is not None,
                confusion=args.confusion is not None,
                on_progress=waiting.at,
            )
    for place, content in ((args.verdicts, report.verdicts), (args.confusion, report.confusion)):
        if place is not None:
            _write(place, content)
    _show(args, job.name, report, places)
    return codes.DONE


def _show(args: Namespace, name: str, report: EvaluationReport, places: list[Path]) -> None:
    if args.format == "json":
        sys.stdout.write(f"{jsontext.evaluation(name, report)}\n")
        return
    out = console.out()
    console.show(out, evaluating.lines(name, report, places, out))


def _write(place: Path, content: bytes) -> None:
    try:
        place.write_bytes(content)
    except OSError as error:
        raise BadInput(f"{place}: cannot be written: {error.strerror}") from None
