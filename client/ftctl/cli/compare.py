"""Compare jobs: the settings that differ, what came of each, whether the difference can be laid to
one setting, and what a test on the same validation images says. The first job is the baseline."""

import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence
from pathlib import Path

from ftctl.cli import codes, place, reach
from ftctl.comparison import comparison, files
from ftctl.comparison.comparison import Comparison
from ftctl.comparison.run import Run
from ftctl.errors import BadInput
from ftctl.view import comparison as table
from ftctl.view import comparisonfile, console

MOST_DRAWN = 8
PANELS = ("accuracy", "error", "loss")
EPILOG = """\
files of other daemons:
  ftctl compare JOB ... -o json > theirs.json    keeps all that is compared, verdicts included
  ftctl compare mine theirs.json                 reads it; also what `get -o json` and
                                                 `metrics -o json` print
"""


def configure(parser: ArgumentParser) -> None:
    """Add what the verb takes."""
    parser.formatter_class = RawDescriptionHelpFormatter
    parser.epilog = EPILOG
    parser.add_argument(
        "jobs", metavar="JOB", nargs="+",
        help="id, start of an id, or name; with a dot or a slash in it: an exported file",
    )  # fmt: skip
    parser.add_argument(
        "--baseline", metavar="JOB", default="",
        help="which of them the others are held against; default: the first",
    )  # fmt: skip
    parser.add_argument(
        "-o", dest="format", metavar="FORMAT", choices=["table", "markdown", "csv", "json"],
        default="table",
        help="table (default), markdown, csv, or json, of one job, too: a file to compare with",
    )  # fmt: skip
    parser.add_argument("--plot", metavar="FILE.png", help="draw the curves of all jobs there")
    for name in ("x", "y"):
        parser.add_argument(
            f"--{name}", metavar="SCALE", choices=["linear", "log"],
            help=f"linear or log: the scale of the {name} axes of --plot",
        )  # fmt: skip
    parser.add_argument(
        "--metric", dest="metrics", metavar="NAME", action="append", default=[], choices=PANELS,
        help="a row of panels of --plot: accuracy, error, loss; default: accuracy and loss",
    )  # fmt: skip
    parser.add_argument("--force", action="store_true", help="replace a picture that is there")


async def run(args: Namespace) -> int:
    """Run the verb."""
    picture = _picture(args)
    if picture is None and all(map(files.is_file, args.jobs)):
        # Whoever has but files may be where no daemon is.
        _print(args, [run for path in args.jobs for run in files.read(path)])
        return codes.DONE
    async with reach.client(args) as client:
        with console.waiting(console.err(), "fetching what is compared"):
            runs = await client.runs(args.jobs)
        compared = _compared(runs, args)
        if picture is not None:
            chosen = _drawable(compared.runs if compared else runs)
            with console.waiting(console.err(), f"drawing {picture}"):
                drawn = await client.plot_runs(chosen, x=args.x, y=args.y, metrics=args.metrics)
            place.write(picture, drawn)
    _print(args, runs)
    return codes.DONE


def _print(args: Namespace, runs: list[Run]) -> None:
    compared = _compared(runs, args)
    if args.format == "table" and compared is not None:
        out = console.out()
        console.show(out, table.lines(compared, out))
    else:
        sys.stdout.write(_text(args.format, compared, runs))


def _compared(runs: list[Run], args: Namespace) -> Comparison | None:
    """Return the comparison; none where one run is to be kept in a file."""
    if args.format == "json" and len(runs) == 1 and not args.baseline:
        return None
    return comparison.compare(runs, baseline=args.baseline)


def _text(kind: str, compared: Comparison | None, runs: list[Run]) -> str:
    if compared is None:
        return files.export(runs)
    write = {
        "markdown": comparisonfile.as_markdown,
        "csv": comparisonfile.as_csv,
        "json": files.text,
    }
    return write[kind](compared)


def _picture(args: Namespace) -> Path | None:
    """Return where the picture goes. Raises BadInput before anything is asked for."""
    if args.plot is None:
        idle = [f"--{name}" for name in ("x", "y") if getattr(args, name)]
        idle += ["--metric"] if args.metrics else []
        if idle:
            raise BadInput(f"{idle[0]} is about a picture; say where to draw it: --plot FILE.png")
        return None
    if not args.plot.endswith(".png"):
        raise BadInput(f"--plot {args.plot}: what is drawn is a PNG file; name it so, FILE.png")
    return place.free(Path(args.plot), is_forced=args.force)


def _drawable(runs: Sequence[Run]) -> list[Run]:
    """Return the runs of which an epoch has ended. Raises BadInput where they are none, or many."""
    found = [run for run in runs if run.epochs]
    if not found:
        raise BadInput("there is nothing to draw: no epoch of these jobs has ended")
    if len(found) > MOST_DRAWN:
        raise BadInput(f"--plot draws at most {MOST_DRAWN} jobs, not {len(found)}")
    return found
