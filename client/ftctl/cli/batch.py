"""Submitting several jobs: all are checked before the first is sent."""

import json
import re
import sys
from argparse import Namespace
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from rich.console import Console
from rich.text import Text

from ftctl._async.client import AsyncClient
from ftctl.cli import codes, reach
from ftctl.errors import Fault, FtctlError, InvalidJob
from ftctl.jobfile import JobFile
from ftctl.models import Job
from ftctl.view import console, jsontext, plan, text

_AFTER = re.compile(r"after\[(\d+)\]")
_FROM_JOB = re.compile(r"job:([^/]+)/")


async def run(files: Sequence[JobFile], args: Namespace) -> int:
    """Submit jobs in their order, or with --dry-run show their plans; a line for each."""
    out = console.out()
    async with reach.client(args) as client:
        checked = await _check(client, files, out)
        if args.dry_run:
            if args.format:
                plans = [None if job is None else jsontext.fields(job) for job in checked]
                sys.stdout.write(json.dumps(plans, indent=2, ensure_ascii=False) + "\n")
            else:
                _show_plans(files, checked, out)
            return codes.DONE
        for count, file in enumerate(files):
            try:
                handle = await client.submit(file)
            except InvalidJob:
                _say_rest(count, len(files))
                raise
            except FtctlError as error:
                _say_rest(count, len(files))
                raise type(error)(f"{file.place()}: {error}") from None
            say_submitted(handle.submitted, out)
    return codes.DONE


def say_submitted(job: Job, out: Console) -> None:
    """Print that a job is submitted."""
    line = Text.assemble("submitted ", (job.name, "title"), ("  " + job.id, "label"))
    out.print(line, soft_wrap=True)


def _show_plans(files: Sequence[JobFile], jobs: Sequence[Job | None], out: Console) -> None:
    for number, (file, job) in enumerate(zip(files, jobs, strict=True), start=1):
        out.print(Text(f"{number}  {file.request.name or file.place()}", "title"))
        if job is None:
            out.print("the job is sound as far as can be said: its plan waits for one before it")
        else:
            plan.show(job, out)
    out.print(plan.NOT_SUBMITTED)


def _say_rest(sent: int, of: int) -> None:
    if sent:
        sys.stderr.write(f"ftctl: {text.counted(sent, 'job')} submitted, {of - sent} not\n")


async def _check(client: AsyncClient, files: Sequence[JobFile], out: Console) -> list[Job | None]:
    """Have the daemon plan each job; None: its plan needs another of these.

    Raises:
        InvalidJob: with the faults of all.
    """
    jobs: list[Job | None] = []
    faults: list[Fault] = []
    names: dict[str, str] = {}
    with console.waiting(out, f"checking {len(files)} jobs"):
        for file in files:
            found: list[Fault] = []
            jobs.append(await _validated(client, file, names, found))
            faults += file.located([*found, *_twice(file, names)])
            names.setdefault(file.request.name, file.place("name"))
    if faults:
        raise InvalidJob(faults)
    return jobs


async def _validated(
    client: AsyncClient, file: JobFile, names: Collection[str], found: list[Fault]
) -> Job | None:
    """Plan a job as if those that are sent before it were there; add its faults to `found`."""
    kept = [index for index, name in enumerate(file.request.after) if name not in names]
    after = tuple(file.request.after[index] for index in kept)
    try:
        return await client.validate(replace(file, request=replace(file.request, after=after)))
    except InvalidJob as error:
        faults = (_renumbered(fault, kept) for fault in error.faults)
        found += [fault for fault in faults if not _is_to_come(fault, file, names)]
    return None


def _renumbered(fault: Fault, kept: Sequence[int]) -> Fault:
    """Return a fault of the names that were asked about as one of those in the file."""
    match = _AFTER.fullmatch(fault.field)
    index = int(match[1]) if match else len(kept)
    return replace(fault, field=f"after[{kept[index]}]") if index < len(kept) else fault


def _is_to_come(fault: Fault, file: JobFile, names: Collection[str]) -> bool:
    """Return whether all that is wrong is that a job sent before is not there yet."""
    if fault.field != "model.weights":
        return False
    model = json.loads(file.request.recipe_json).get("model")
    match = _FROM_JOB.match(str(model.get("weights"))) if isinstance(model, dict) else None
    return match is not None and match[1] in names


def _twice(file: JobFile, names: Mapping[str, str]) -> list[Fault]:
    name = file.request.name
    if not name or name not in names:
        return []
    description = f"`{name}` is the name of the job at {names[name]} too; give each its own"
    return [Fault(field="name", description=description)]
