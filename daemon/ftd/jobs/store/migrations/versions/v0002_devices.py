"""What jobs need of devices, which attempts held which, and what is drained."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the columns and the table."""
    op.add_column("jobs", sa.Column("memory_bytes", sa.Integer))
    op.add_column("jobs", sa.Column("not_before", sa.Integer))
    op.add_column("jobs", sa.Column("timeout_s", sa.Float))
    # Attempts of before held the one device that there was, from when nobody noted.
    op.add_column(
        "attempts", sa.Column("devices", sa.Text, nullable=False, server_default='["cpu"]')
    )
    op.add_column(
        "attempts", sa.Column("start_time", sa.Integer, nullable=False, server_default="0")
    )
    op.add_column("attempts", sa.Column("end_time", sa.Integer))
    # An attempt was noted with the first word of its journal only.
    op.execute(
        "INSERT OR IGNORE INTO attempts (job_id, number, run_dir, journal_offset)"
        " SELECT id, attempt, run_dir, 0 FROM jobs WHERE attempt > 0"
    )
    op.execute(
        "UPDATE attempts SET (start_time, end_time) ="
        " (SELECT COALESCE(start_time, create_time), end_time FROM jobs"
        " WHERE jobs.id = attempts.job_id)"
    )
    op.create_table(
        "drains",
        sa.Column("uuid", sa.String, primary_key=True),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("time", sa.Integer, nullable=False),
        sqlite_with_rowid=False,
    )
