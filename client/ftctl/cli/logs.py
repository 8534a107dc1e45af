"""Print the log of a job's latest attempt, as its worker wrote it."""

import json
import sys
from argparse import ArgumentParser, Namespace

from ftctl.cli import codes, reach
from ftctl.models import Job, JobState
from ftctl.view import text
from ftctl.view.gap import GapLines


def configure(parser: ArgumentParser) -> None:
    """Add what the verb takes."""
    parser.add_argument("job", metavar="JOB", help="id, start of an id, or name")
    parser.add_argument(
        "-f", dest="follow", action="store_true", help="go on as the log grows, to the job's end"
    )
    parser.add_argument(
        "-n", dest="last_lines", metavar="LINES", type=int, default=0, help="only the last LINES"
    )
    parser.add_argument(
        "-o", dest="format", metavar="FORMAT", choices=["json"],
        help="json: an object for each line of the log",
    )  # fmt: skip


async def run(args: Namespace) -> int:
    """Run the verb."""
    async with reach.client(args) as client:
        job = await client.get(args.job)
        if args.follow and not job.attempt and not job.state.is_terminal:
            _say(f"{_absence(job)}; it is awaited")
        is_empty = True
        write = _Objects() if args.format == "json" else sys.stdout.write
        async for piece in client.logs(
            job.id, follow=args.follow, last_lines=args.last_lines, on_gap=GapLines(sys.stderr)
        ):
            is_empty = is_empty and not piece
            write(piece)
            sys.stdout.flush()
        if isinstance(write, _Objects):
            write.end()
        if is_empty:
            _say(_absence(await client.get(job.id)))
    return codes.DONE


class _Objects:
    """Writes the lines of a text that comes in pieces, each as a JSON object."""

    def __init__(self) -> None:
        self._begun = ""

    def __call__(self, piece: str) -> None:
        *whole, self._begun = (self._begun + piece).split("\n")
        for line in whole:
            self._write(line)

    def end(self) -> None:
        """Write a last line that was not ended."""
        if self._begun:
            self._write(self._begun)

    def _write(self, line: str) -> None:
        sys.stdout.write(json.dumps({"line": line}, ensure_ascii=False) + "\n")


def _say(what: str) -> None:
    sys.stderr.write(f"ftctl: {what}\n")


def _absence(job: Job) -> str:
    """Say why a job has no log."""
    if not job.state.is_terminal:
        reason = f" ({text.clean(job.reason)})" if job.reason else ""
        return f"{job.name} has no log yet: it is {job.state}{reason}"
    if job.attempt:
        return f"{job.name} has no log: its worker wrote nothing"
    if job.state is JobState.CANCELLED:
        return f"{job.name} has no log: it was cancelled before a worker began"
    why = f": {text.clean(job.outcome.message)}" if job.outcome else ""
    return f"{job.name} has no log: it {job.state} before a worker began{why}"
