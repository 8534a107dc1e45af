"""Makes a store whole again: a backup, what run directories tell, what a damaged one still does.

Nothing but the store is written. A job whose latest attempt has not been brought to its end is
left as one that runs: the daemon that starts next takes it up, as after any restart.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, delete, insert, select, text

from ftd.jobs import jobcard, states
from ftd.jobs.attempt import gone_since
from ftd.jobs.history import state_event
from ftd.jobs.model import Attempt, EventKind, Job, JobId, JobState, NewEvent, Outcome
from ftd.jobs.model import OutcomeReason as Reason
from ftd.jobs.records import Translator
from ftd.jobs.store import writes
from ftd.jobs.store.reads import attempts_of, job_by_id, unfinished_jobs
from ftd.jobs.store.rows import digest_of, new_row
from ftd.jobs.store.salvage import SMALL, Row, Salvage
from ftd.jobs.store.tables import ATTEMPTS, DOCUMENTS, EVENTS, JOBS, METADATA
from fttrain import events as journal
from fttrain.spec import rundir

_WORKING = (JobState.STARTING, JobState.RUNNING, JobState.CANCELLING)


@dataclass(slots=True, kw_only=True)
class Account:
    """What has been done, for the user."""

    returned: list[str] = field(default_factory=list)
    """Jobs that the backup did not know, from their run directories."""
    advanced: list[str] = field(default_factory=list)
    """Jobs that went on after the backup."""
    salvaged: list[str] = field(default_factory=list)
    """Jobs without a run directory that the damaged store still told."""
    deleted: list[str] = field(default_factory=list)
    """Jobs of the backup that were deleted after it."""
    lost: list[str] = field(default_factory=list)
    """What was nowhere else, and how that is known."""


def recover(connection: Connection, runs: Path, salvage: Salvage, *, now: datetime) -> Account:
    """Bring a store from where its backup was to where the run directories are.

    Raises:
        NewerFormat: where a newer version wrote a run directory.
    """
    account = Account()
    before = {number for (number,) in connection.execute(select(JOBS.c.number))}
    _small_tables(connection, salvage, account)
    folders = _folders(connection, runs, account)
    _forget_deleted(connection, folders, salvage, account)
    for number, job in sorted(folders.items()):
        _bring_back(connection, job, runs / job.id, is_new=number not in before, account=account)
    for number, row in sorted(salvage.jobs.items()):
        if number not in folders:
            _take_row(connection, row, account, now=now)
    _name_the_lost(connection, max(before, default=0), folders, salvage, account)
    _count_on(connection, max([*folders, salvage.last_number, 0]))
    return account


def _folders(connection: Connection, runs: Path, account: Account) -> dict[int, Job]:
    """Return the jobs that have folders and say so, by number."""
    found = {}
    for folder in sorted(each for each in runs.glob("*") if each.is_dir()):
        card = jobcard.read(folder)
        if card is not None:
            found[card.number] = card
        elif connection.scalar(select(JOBS.c.id).where(JOBS.c.id == folder.name)) is None:
            account.lost.append(
                f"the job of {folder}: {jobcard.NAME} is missing there or cannot be read; its "
                "files are left where they are"
            )
    return found


def _small_tables(connection: Connection, salvage: Salvage, account: Account) -> None:
    for name in SMALL:
        if name not in salvage.tables:
            account.lost.append(
                f"changes to {name.replace('_', ' ')} since the backup: no store that can be "
                "read tells them" + (_TOKENS if name == "tokens" else "")
            )
            continue
        connection.execute(delete(METADATA.tables[name]))
        for row in salvage.tables[name]:
            _insert(connection, name, row)


_TOKENS = "; a token that was revoked since is good again: `ftd token list` shows all"


def _insert(connection: Connection, table: str, row: Row) -> None:
    known = [column.name for column in METADATA.tables[table].columns if column.name in row]
    names = ", ".join(f'"{name}"' for name in known)
    # As they are stored: the types of the columns would convert them once more.
    values = ", ".join(f":{name}" for name in known)
    connection.execute(
        text(f"INSERT INTO {table} ({names}) VALUES ({values})"), {n: row[n] for n in known}
    )


def _forget_deleted(
    connection: Connection, folders: Mapping[int, Job], salvage: Salvage, account: Account
) -> None:
    """Delete what the backup has and its user has deleted since.

    It has no folder any more, and the damaged store does not name it either: run directories
    alone may be missing for another reason.
    """
    if not salvage.has_all_names:
        return
    rows = connection.execute(select(JOBS.c.number, JOBS.c.id, JOBS.c.name)).all()
    for row in rows:
        if row.number not in folders and row.number not in salvage.names:
            for table in (EVENTS, ATTEMPTS, DOCUMENTS):
                connection.execute(delete(table).where(table.c.job_id == row.id))
            connection.execute(delete(JOBS).where(JOBS.c.id == row.id))
            account.deleted.append(row.name)


def _bring_back(
    connection: Connection, card: Job, folder: Path, *, is_new: bool, account: Account
) -> None:
    run_dirs = _attempts(folder)
    if is_new:
        _free_name(connection, card.name, card.create_time, account)
        _submit(connection, card, run_dirs)
        account.returned.append(card.name)
    job = job_by_id(connection, card.id)
    if job.state.is_terminal:
        return
    before = job.last_sequence
    kept = {each.number: each for each in attempts_of(connection, [job.id])}
    for run_dir in run_dirs:
        number = int(run_dir.name)
        if number < job.attempt or (number in kept and kept[number].end_time is not None):
            continue
        job = _follow(connection, job, run_dir, kept.get(number))
        if run_dir != run_dirs[-1]:
            job = _move(connection, job, JobState.QUEUED, card)
        elif card.attempt == number and card.state not in _WORKING:
            job = _move(connection, job, card.state, card)
        else:  # for the daemon that starts next
            continue
        writes.end_attempts(connection, job.id, gone_since(run_dir) or card.create_time)
    if not is_new and job.last_sequence != before:
        account.advanced.append(f"{job.name} ({job.state.value})")


def _attempts(folder: Path) -> list[Path]:
    """Return the run directories of a job's attempts that its daemon had begun, in order."""
    numbered = [each for each in folder.iterdir() if each.name.isdecimal()]
    begun = [each for each in numbered if (each / rundir.ATTEMPT).exists()]
    for each in begun:
        rundir.read_attempt(each)  # refuses those of a newer version
    return sorted(begun, key=lambda each: int(each.name))


def _submit(connection: Connection, card: Job, run_dirs: Sequence[Path]) -> None:
    """Insert a job as it was when it was new."""
    new = replace(
        card, state=JobState.QUEUED, reason="", start_time=None, end_time=None, outcome=None,
        attempt=0, last_sequence=0, run_dir="", failures=0, retry_time=None, inexact="",
    )  # fmt: skip
    row = new_row(new, request_id="", request_digest=digest_of(new.request))
    connection.execute(insert(JOBS), {**row, "number": card.number})
    documents = {"job_id": card.id, "recipe_json": card.request.recipe_json, "plan_json": ""}
    connection.execute(insert(DOCUMENTS), documents)
    events = [state_event(new, now=card.create_time)]
    plan = next((p for d in reversed(run_dirs) if (p := d / rundir.PLAN).exists()), None)
    if plan is not None:
        body = {"plan_json": plan.read_text()}
        events.append(NewEvent(kind=EventKind.PLANNED, time=card.create_time, attempt=0, body=body))
    writes.append(connection, new, events, None)


def _follow(connection: Connection, job: Job, run_dir: Path, kept: Attempt | None) -> Job:
    """Store what an attempt's journal tells beyond what is stored."""
    card = rundir.read_attempt(run_dir)
    begun = datetime.fromtimestamp((run_dir / rundir.ATTEMPT).stat().st_mtime, UTC)
    attempt = kept or Attempt(
        job_id=job.id, number=card.attempt, run_dir=str(run_dir), devices=tuple(card.devices),
        start_time=begun,
    )  # fmt: skip
    if job.state in (JobState.QUEUED, JobState.PAUSED):
        job = replace(job, attempt=card.attempt, run_dir=str(run_dir))
        job = _move(connection, job, JobState.STARTING, job, now=begun)
    translator = Translator(attempt=card.attempt, run_dir=run_dir)
    entries, offset = _records(run_dir / rundir.JOURNAL, attempt.journal_offset)
    translator.translate(_earlier(run_dir, attempt.journal_offset), now=0.0)
    told = translator.translate(entries, now=float("inf"))
    if translator.is_started and job.state is JobState.STARTING:
        job = _move(connection, job, JobState.RUNNING, job, now=begun)
    attempt = replace(attempt, journal_offset=offset)
    job, _ = writes.append(connection, job, list(_once(job, told)), attempt)
    return job


def _records(path: Path, offset: int) -> tuple[list[journal.Entry], int]:
    try:
        return journal.read(path, offset=offset)
    except journal.BadRecord:
        return [], offset


def _earlier(run_dir: Path, offset: int) -> list[journal.Entry]:
    if not offset:
        return []
    try:
        return journal.read(run_dir / rundir.JOURNAL, until=offset)[0]
    except journal.BadRecord:
        return []


def _once(job: Job, told: Sequence[NewEvent]) -> Iterator[NewEvent]:
    """Leave out epochs that are stored: an attempt that goes on tells some again."""
    known = {(epoch.get("repeat", 0), epoch["epoch"]) for epoch in job.epochs}
    for event in told:
        if event.kind is EventKind.EPOCH:
            key = (event.body.get("repeat", 0), event.body["epoch"])
            if key in known:
                continue
            known.add(key)
        yield event


def _move(
    connection: Connection, job: Job, to: JobState, like: Job, *, now: datetime | None = None
) -> Job:
    """Bring a job into a state through those between, and store each."""
    for state in states.way(job.state, to):
        at = now or (like.end_time if state.is_terminal else None) or job.create_time
        outcome = like.outcome if state.is_terminal else None
        job = states.advance(job, state, now=at, reason=like.reason, outcome=outcome)
        if state is to and state is not JobState.STARTING:
            job = replace(
                job, failures=like.failures, retry_time=like.retry_time, inexact=like.inexact
            )
        job, _ = writes.append(connection, job, [state_event(job, now=at)], None)
    return job


def _free_name(connection: Connection, name: str, since: datetime, account: Account) -> None:
    """End the job that has a newer one's name: it had ended, or the name would not be free."""
    for job in unfinished_jobs(connection):
        if job.name == name:
            how = Outcome(
                reason=Reason.LOST,
                message="It ended after the last backup of a store that was damaged.",
                remedy="How it ended is not known: the store alone had told it.",
            )
            end = replace(job, outcome=how, end_time=since)
            way = JobState.CANCELLED if job.state is JobState.PAUSED else JobState.FAILED
            _move(connection, job, way, end)
            account.lost.append(
                f"how job {job.name} ({job.id[:8]}) ended: a later one could have its name"
            )


def _take_row(connection: Connection, row: Row, account: Account, *, now: datetime) -> None:
    """Have a job without a run directory as the damaged store still tells it."""
    job_id: JobId = row["id"]
    state = connection.scalar(select(JOBS.c.state).where(JOBS.c.id == job_id))
    if state == row["state"]:
        return
    if state is None:
        documents = {key: row[key] for key in ("recipe_json", "plan_json")}
        _free_name(connection, row["name"], now, account)
        _insert(connection, "jobs", {**row, "last_sequence": 0})
        _insert(connection, "documents", {"job_id": job_id, **documents})
    elif JobState(state).is_terminal:
        return
    else:
        changed = {key: row[key] for key in ("state", "reason", "outcome", "end_time")}
        sets = ", ".join(f"{key} = :{key}" for key in changed)
        connection.execute(
            text(f"UPDATE jobs SET {sets} WHERE id = :id"), {**changed, "id": job_id}
        )
    job = job_by_id(connection, job_id)
    events = [state_event(job, now=job.end_time or job.create_time)]
    if state is None and job.plan_json:
        body = {"plan_json": job.plan_json}
        events.insert(
            0, NewEvent(kind=EventKind.PLANNED, time=job.create_time, attempt=0, body=body)
        )
    writes.append(connection, job, events, None)
    account.salvaged.append(f"{job.name} ({job.state.value})")


def _name_the_lost(
    connection: Connection,
    last_before: int,
    folders: Mapping[int, Job],
    salvage: Salvage,
    account: Account,
) -> None:
    """Name the numbers that were given after the backup and that nobody bears."""
    there = {number for (number,) in connection.execute(select(JOBS.c.number))}
    last = max([*folders, salvage.last_number, 0])
    missing = [number for number in range(last_before + 1, last + 1) if number not in there]
    for number in missing:
        name = salvage.names.get(number)
        if name is not None:
            account.lost.append(
                f"job {name} (number {number}): an index still names it, its row cannot be read, "
                "and it has no run directory, so it had not started; submit it again"
            )
        else:
            account.lost.append(
                f"job number {number}: it was given out after the backup, and neither a run "
                "directory nor a readable page has it: a job that had not started, or was deleted"
            )


def _count_on(connection: Connection, last: int) -> None:
    """Give no number twice."""
    statement = text("UPDATE sqlite_sequence SET seq = max(seq, :last) WHERE name = 'jobs'")
    if not connection.execute(statement, {"last": last}).rowcount and last:
        connection.execute(
            text("INSERT INTO sqlite_sequence (name, seq) VALUES ('jobs', :last)"), {"last": last}
        )
