"""Submit job files. Of a single job the planning is followed: its faults, each with line and
column, or its plan. The job then runs by itself; --watch stays with it to its end. Of several, in
several files or in one with `---` between them, all are checked before the first is sent, and
each has a line. Relative paths in a file are relative to the file; those of --set and of stdin, to
the working directory."""

import asyncio
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import AsyncIterator
from dataclasses import replace

from ftctl._async.client import AsyncClient
from ftctl._async.stream import OnGap
from ftctl.cli import batch, codes, jobfiles, reach
from ftctl.cli.follow import Leaving, Watch, command, follow, to_the_end
from ftctl.errors import BadInput, DaemonUnreachable, InvalidJob
from ftctl.jobfile import JobFile, parse_override
from ftctl.models import Event, Job, JobState, Outcome, Planned, StateChanged
from ftctl.view import console, epochs, jsontext, plan, text
from ftctl.view.gap import GapLines

# How the daemon says that a plan needs what another job will make.
PLAN_WAITS = "plan waits for"


def configure(parser: ArgumentParser) -> None:
    """Add what the verb takes."""
    parser.epilog = epochs.LEGEND
    parser.add_argument(
        "files", metavar="FILE", nargs="+", help="a job file, YAML or JSON; - is stdin"
    )
    parser.add_argument(
        "--set",
        dest="overrides",
        metavar="PATH=VALUE",
        action="append",
        default=[],
        help="set a field, such as train.epochs=3, of every job; may be given again",
    )
    parser.add_argument(
        "--watch", action="store_true", help="follow the job, if it is one, to its end"
    )
    parser.add_argument("--dry-run", action="store_true", help="print the plan and submit nothing")
    parser.add_argument(
        "-o", dest="format", metavar="FORMAT", choices=["json"],
        help="json: with --dry-run, the job with its whole plan; an array of several",
    )  # fmt: skip


async def run(args: Namespace) -> int:
    """Run the verb."""
    overrides = dict(parse_override(text) for text in args.overrides)
    files = jobfiles.read(args.files, overrides=overrides)
    if args.format and not args.dry_run:
        raise BadInput("-o is for --dry-run; `ftctl get JOB -o json` shows a job")
    if args.watch and len(files) > 1:
        raise BadInput(
            f"--watch follows one job, and these are {len(files)}; submit them without it, then "
            f"`{command(args, 'watch', 'JOB')}` follows each"
        )
    try:
        return await (_run(files[0], args) if len(files) == 1 else batch.run(files, args))
    except DaemonUnreachable:
        if faults := [fault for file in files for fault in file.faults]:
            # These need no daemon to be true.
            raise InvalidJob(faults) from None
        raise


async def _run(file: JobFile, args: Namespace) -> int:
    async with reach.client(args) as client:
        # A file with faults is only asked about: the daemon may find more.
        if args.dry_run or file.faults:
            return await _dry_run(client, file, args)
        try:
            handle = await client.submit(file)
        except asyncio.CancelledError:
            sys.stderr.write("left before the daemon answered; `ftctl list` shows what it has\n")
            raise

        def watch(on_gap: OnGap) -> AsyncIterator[Event]:
            return _located(handle.watch(on_gap=on_gap), file)

        if args.watch:
            return await to_the_end(client, handle.submitted, watch, args)
        return await _planning(handle.submitted, watch, args)


async def _dry_run(client: AsyncClient, file: JobFile, args: Namespace) -> int:
    out = console.out()
    with console.waiting(out, "planning"):
        job = await client.validate(file)
    if args.format:
        sys.stdout.write(jsontext.job(job) + "\n")
        return codes.DONE
    plan.show(job, out)
    out.print(plan.NOT_SUBMITTED)
    return codes.DONE


async def _planning(job: Job, watch: Watch, args: Namespace) -> int:
    out = console.out()
    batch.say_submitted(job, out)
    with Leaving(job.name, args), console.waiting(out, "planning"):
        # The wheel has put itself before standard error: lines come above it.
        last = await follow(watch(GapLines(sys.stderr)), until=_is_settled)
    match last:
        case Planned():
            plan.show(replace(job, plan=last.plan), out)
        case StateChanged(outcome=Outcome() as outcome):
            _complain(job, outcome)
            return codes.of_job(last.state, outcome)
        case StateChanged(state=JobState.QUEUED):
            out.print(f"{last.reason}; the job goes on by itself", soft_wrap=True)
    if out.is_terminal:
        hint = f"`{command(args, 'watch', job.name)}` follows it"
        out.print(hint, style="label", soft_wrap=True)
    return codes.DONE


def _is_settled(event: Event) -> bool:
    """Return whether no more can be said of the plan for now."""
    match event:
        case Planned():
            return True
        case StateChanged(state=JobState.QUEUED):
            return event.reason.startswith(PLAN_WAITS)
        case StateChanged():
            return True
        case _:
            return False


def _complain(job: Job, outcome: Outcome) -> None:
    """Say why the plan failed, each fault with its place."""
    told = [text.clean(str(fault)) for fault in outcome.faults]
    told.append(f"ftctl: {job.name} ended before it used a device: {text.clean(outcome.message)}")
    told += [text.clean(outcome.remedy)] if outcome.remedy else []
    sys.stderr.write("\n".join(told) + "\n")


async def _located(events: AsyncIterator[Event], file: JobFile) -> AsyncIterator[Event]:
    """Yield events whose faults have their places in the job file."""
    async for event in events:
        if isinstance(event, StateChanged) and event.outcome and event.outcome.faults:
            outcome = replace(event.outcome, faults=file.located(event.outcome.faults))
            event = replace(event, outcome=outcome)
        yield event
