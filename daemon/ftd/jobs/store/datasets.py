"""The data sets that users have pushed: which name means which digest, and who uses it."""

import base64
import binascii
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, Row, delete, select, tuple_
from sqlalchemy.dialects.sqlite import insert as upsert

from ftd.errors import DatasetInUse, DatasetNotFound, InvalidPageToken
from ftd.jobs.callers import Caller
from ftd.jobs.model import DatasetUse
from ftd.jobs.store.tables import DATASETS, IS_UNFINISHED, JOBS
from fttrain.spec.nearest import near

T = TypeVar("T")
List = list  # below, `list` is the verb
FIELD = "data.dataset.name"
"""Where a recipe names one."""
_NEAREST_AMONG = 1000
# The folders may be long, and few ask for them.
_PLAIN = [column for column in DATASETS.c if column.name != "folders"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """A data set as it stands under its name."""

    name: str
    user: str
    digest: str
    files: int
    size_bytes: int
    create_time: datetime


class _Run(Protocol):
    def __call__(self, work: Callable[[Connection], T], /) -> Awaitable[T]:
        """Do a piece of work in a transaction."""


class Datasets:
    """The data sets of a store."""

    def __init__(self, *, read: _Run, write: _Run) -> None:
        self._read = read
        self._write = write

    async def put(self, dataset: Dataset, folders_json: str) -> Dataset:
        """Have a name mean a data set from now on; return what is kept of it.

        One that it means already keeps its time.
        """
        return await self._write(lambda connection: _put(connection, dataset, folders_json))

    async def find(self, ref: str, caller: Caller) -> Dataset:
        """Return the data set that a caller means by NAME or USER/NAME.

        Raises:
            DatasetNotFound
        """
        return await self._read(lambda connection: find(connection, ref, caller))

    async def folders(self, dataset: Dataset) -> Mapping[str, List[int]]:
        """Return the folders of a data set that hold files: path -> [files, bytes]."""
        query = select(DATASETS.c.folders).where(*_same(dataset.user, dataset.name))
        text = await self._read(lambda connection: connection.scalar(query))
        return dict(json.loads(text or "{}"))

    async def used_by(self, dataset: Dataset, caller: Caller) -> List[str]:
        """Return the names of those jobs of a caller that use it and have not ended."""
        users = await self._read(lambda connection: _users(connection, dataset))
        return [name for name, user in users if caller.only_of in (None, user)]

    async def list(
        self, page_size: int, page_token: str, *, only_of: str | None
    ) -> tuple[List[Dataset], str]:
        """Return a page of data sets by user and name, and the token of the next; empty at the end.

        Raises:
            InvalidPageToken
        """
        return await self._read(
            lambda connection: _page(connection, page_size, page_token, only_of)
        )

    async def delete(self, ref: str, caller: Caller) -> Dataset:
        """Forget a data set; return what it was.

        Raises:
            DatasetNotFound
            DatasetInUse: naming the jobs that use it, as far as the caller may know of them.
        """
        return await self._write(lambda connection: _delete(connection, ref, caller))

    async def kept(self) -> set[str]:
        """Return the digests that a name means or that a job which has not ended uses."""
        return await self._read(_kept)


def find(connection: Connection, ref: str, caller: Caller) -> Dataset:
    """Return the data set that a caller means by NAME or USER/NAME.

    Raises:
        DatasetNotFound
    """
    said, _, name = ref.rpartition("/")
    user = said or caller.user
    his = caller.only_of in (None, user)
    row = connection.execute(select(*_PLAIN).where(*_same(user, name))).one_or_none()
    if row is None or not his:
        raise _not_found(connection, ref, caller)
    return _dataset(row)


def use(connection: Connection, ref: str, caller: Caller) -> DatasetUse:
    """Return how a job uses a data set: what its name means now.

    Raises:
        DatasetNotFound
    """
    found = find(connection, ref, caller)
    return DatasetUse(name=ref, owner=found.user, digest=found.digest)


def _put(connection: Connection, dataset: Dataset, folders_json: str) -> Dataset:
    there = select(*_PLAIN).where(*_same(dataset.user, dataset.name))
    row = connection.execute(there).one_or_none()
    if row is not None and row.digest == dataset.digest:
        return _dataset(row)
    values = {
        "user": dataset.user, "name": dataset.name, "digest": dataset.digest,
        "files": dataset.files, "size_bytes": dataset.size_bytes,
        "create_time": dataset.create_time, "folders": folders_json,
    }  # fmt: skip
    statement = upsert(DATASETS).values(values)
    connection.execute(
        statement.on_conflict_do_update(index_elements=["user", "name"], set_=values)
    )
    return dataset


def _page(
    connection: Connection, page_size: int, page_token: str, only_of: str | None
) -> tuple[List[Dataset], str]:
    place = tuple_(DATASETS.c.user, DATASETS.c.name)
    query = select(*_PLAIN).order_by(DATASETS.c.user, DATASETS.c.name).limit(page_size + 1)
    if only_of is not None:
        query = query.where(DATASETS.c.user == only_of)
    if page_token:
        query = query.where(place > tuple_(*_position(page_token)))
    rows = connection.execute(query).all()
    page = [_dataset(row) for row in rows[:page_size]]
    return page, _token(page[-1]) if len(rows) > page_size else ""


def _delete(connection: Connection, ref: str, caller: Caller) -> Dataset:
    found = find(connection, ref, caller)
    if users := _users(connection, found):
        raise DatasetInUse(_told(ref, users, caller))
    connection.execute(delete(DATASETS).where(*_same(found.user, found.name)))
    return found


def _told(ref: str, users: List[tuple[str, str]], caller: Caller) -> str:
    names = [name for name, user in users if caller.only_of in (None, user)]
    others = len(users) - len(names)
    told = [f"job{'s' if len(names) > 1 else ''} {', '.join(names)}"] if names else []
    if others:
        told.append(f"{others} job{'s' if others > 1 else ''} of other users")
    verb = "have" if len(users) > 1 else "has"
    return (
        f"data set {ref} is used by {' and '.join(told)}, which {verb} not ended; "
        "delete it when that is so"
    )


def _users(connection: Connection, dataset: Dataset) -> List[tuple[str, str]]:
    """Return the unfinished jobs that use a data set as it stands: names and users, in order."""
    return [
        (row.name, row.user)
        for row, used in _uses(connection)
        if (used.owner, used.digest) == (dataset.user, dataset.digest)
        and used.name.rpartition("/")[2] == dataset.name
    ]


def _kept(connection: Connection) -> set[str]:
    named = set(connection.scalars(select(DATASETS.c.digest)))
    return named | {used.digest for _, used in _uses(connection)}


def _uses(connection: Connection) -> List[tuple[Row[Any, Any, Any], DatasetUse]]:
    query = select(JOBS.c.name, JOBS.c.user, JOBS.c.datasets).where(
        IS_UNFINISHED, JOBS.c.datasets != "[]"
    )
    rows = connection.execute(query.order_by(JOBS.c.number)).all()
    return [(row, DatasetUse(**body)) for row in rows for body in json.loads(row.datasets)]


def _not_found(connection: Connection, ref: str, caller: Caller) -> DatasetNotFound:
    query = select(DATASETS.c.user, DATASETS.c.name).order_by(DATASETS.c.create_time.desc())
    if caller.only_of is not None:
        query = query.where(DATASETS.c.user == caller.only_of)
    known = [
        name if user == caller.user else f"{user}/{name}"
        for user, name in connection.execute(query.limit(_NEAREST_AMONG))
    ]
    hint = "`ftctl dataset push NAME DIR` makes one, `ftctl dataset list` shows all"
    if found := near(ref, known, most=3):
        hint = f"did you mean {' or '.join(f'`{name}`' for name in found)}?"
    return DatasetNotFound(f"no data set has the name `{ref}`; {hint}")


def _same(user: str, name: str) -> tuple[Any, Any]:
    return DATASETS.c.user == user, DATASETS.c.name == name


def _dataset(row: Row[Any]) -> Dataset:
    return Dataset(
        name=row.name,
        user=row.user,
        digest=row.digest,
        files=row.files,
        size_bytes=row.size_bytes,
        create_time=row.create_time,
    )


def _token(last: Dataset) -> str:
    text = json.dumps({"after": [last.user, last.name]})
    return base64.urlsafe_b64encode(text.encode()).decode()


def _position(token: str) -> tuple[str, str]:
    try:
        user, name = json.loads(base64.urlsafe_b64decode(token))["after"]
        if not isinstance(user, str) or not isinstance(name, str):
            raise TypeError
    except (binascii.Error, ValueError, KeyError, TypeError):
        raise InvalidPageToken(
            "this page token was not given by ListDatasets; begin again without one"
        ) from None
    return user, name
