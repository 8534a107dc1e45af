"""Opening the database file: its settings, its migrations, and the files that are refused."""

import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.command import upgrade
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text

from ftd.errors import BadConfig
from ftd.jobs.store import Store, engine
from ftd.jobs.store.engine import open_engines
from ftd.jobs.store.tables import HEAD, METADATA

OLD_JOB = """
    INSERT INTO jobs VALUES (1, 'j', 'old', NULL, 'd', 1, 0, '[]', '[]', '{}', '{}', 'cancelled',
    '', 1000000, 2000000, 5000000, NULL, 1, 0, '/runs/1', NULL, '[]')
"""
MIGRATIONS = Path(engine.__file__).with_name("migrations")


def test_the_head_that_the_code_knows_is_the_newest_migration() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))

    assert ScriptDirectory.from_config(config).get_current_head() == HEAD


def test_the_migrations_make_exactly_the_tables_of_the_code(tmp_path: Path) -> None:
    writer, reader = open_engines(tmp_path / "ftd.sqlite", readers=1)
    with writer.begin() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, METADATA) == []
        made = connection.scalars(text("SELECT sql FROM sqlite_master WHERE name = 'events'"))
        assert "WITHOUT ROWID" in made.one()
    reader.dispose()
    writer.dispose()


def test_every_commit_is_on_disk_and_readers_cannot_write(tmp_path: Path) -> None:
    writer, reader = open_engines(tmp_path / "ftd.sqlite", readers=1)
    with writer.begin() as connection:
        assert connection.scalar(text("PRAGMA journal_mode")) == "wal"
        assert connection.scalar(text("PRAGMA synchronous")) == 2  # FULL
    with reader.begin() as connection:
        assert connection.scalar(text("PRAGMA query_only")) == 1
    reader.dispose()
    writer.dispose()


def test_opening_a_store_of_this_version_loads_no_alembic(tmp_path: Path) -> None:
    path = tmp_path / "ftd.sqlite"
    code = (
        "import sys; from pathlib import Path; from ftd.jobs.store.engine import open_engines; "
        "open_engines(Path(sys.argv[1]), readers=1); print('alembic' in sys.modules)"
    )

    told = [
        subprocess.run(
            [sys.executable, "-c", code, path], capture_output=True, text=True, check=True
        ).stdout.strip()
        for _ in range(2)
    ]

    assert told == ["True", "False"]


@pytest.mark.parametrize("noted", [True, False], ids=["noted", "begun-but-not-noted"])
async def test_a_store_of_the_version_before_devices_is_taken_over(
    tmp_path: Path, noted: bool
) -> None:
    path = tmp_path / "ftd.sqlite"
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    connection = create_engine(f"sqlite:///{path}").connect()
    config.attributes["connection"] = connection
    upgrade(config, "0001")
    connection.execute(text(OLD_JOB))
    connection.execute(text("INSERT INTO documents VALUES ('j', '{}', '')"))
    if noted:
        connection.execute(text("INSERT INTO attempts VALUES ('j', 1, '/runs/1', 7)"))
    connection.commit()
    connection.close()

    async with await Store.open(path) as store:
        job = await store.get("old")
        (attempt,) = await store.attempts(["j"])

    assert (job.request.memory_bytes, job.request.not_before, job.request.timeout_s) == (None,) * 3
    assert attempt.devices == ("cpu",)
    assert attempt.seconds(job.create_time) == 3.0
    assert (attempt.number, attempt.run_dir) == (1, "/runs/1")


async def test_a_file_that_is_no_database_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "ftd.sqlite"
    path.write_bytes(b"not a database at all, but long enough to be read as one" * 20)

    with pytest.raises(BadConfig) as refused:
        await Store.open(path)

    assert str(refused.value) == (
        f"the job store {path} cannot be used: file is not a database; `ftd restore` makes it "
        "anew from a backup and the run directories"
    )


async def test_a_store_of_a_newer_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "ftd.sqlite"
    writer, reader = open_engines(path, readers=1)
    with writer.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0999'"))
    reader.dispose()
    writer.dispose()

    for _ in range(2):
        with pytest.raises(BadConfig) as refused:
            await Store.open(path)
        assert str(refused.value) == (
            f"the job store {path} was written by a newer finetuned (schema 0999, this one knows "
            f"{HEAD}); install that version, or give this one another state with --state"
        )


async def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="cannot be used: unable to open database file"):
        await Store.open(tmp_path / "missing" / "ftd.sqlite")


async def test_a_path_with_odd_characters_is_opened(tmp_path: Path) -> None:
    folder = tmp_path / "50% of #1? é"
    folder.mkdir()

    async with await Store.open(folder / "ftd.sqlite") as store:
        assert await store.unfinished() == []

    assert (folder / "ftd.sqlite").exists()
