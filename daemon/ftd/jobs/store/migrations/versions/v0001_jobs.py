"""Jobs, their documents, events and attempts."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the first tables."""
    _create_jobs()
    op.create_table(
        "documents",
        sa.Column("job_id", sa.String, primary_key=True),
        sa.Column("recipe_json", sa.Text, nullable=False),
        sa.Column("plan_json", sa.Text, nullable=False),
    )
    op.create_table(
        "events",
        sa.Column("job_id", sa.String, primary_key=True),
        sa.Column("sequence", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("time", sa.Integer, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "epochs", "events", ["job_id", "sequence"], sqlite_where=sa.text("kind = 'epoch'")
    )
    op.create_table(
        "attempts",
        sa.Column("job_id", sa.String, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("run_dir", sa.Text, nullable=False),
        sa.Column("journal_offset", sa.Integer, nullable=False),
        sqlite_with_rowid=False,
    )


def _create_jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("id", sa.String, nullable=False, unique=True),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("request_id", sa.String, unique=True),
        sa.Column("request_digest", sa.String, nullable=False),
        sa.Column("devices", sa.Integer, nullable=False),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("after", sa.Text, nullable=False),
        sa.Column("after_ids", sa.Text, nullable=False),
        sa.Column("labels", sa.Text, nullable=False),
        sa.Column("refs", sa.Text, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("create_time", sa.Integer, nullable=False),
        sa.Column("start_time", sa.Integer),
        sa.Column("end_time", sa.Integer),
        sa.Column("outcome", sa.Text),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("last_sequence", sa.Integer, nullable=False),
        sa.Column("run_dir", sa.Text, nullable=False),
        sa.Column("progress", sa.Text),
        sa.Column("artifacts", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("jobs_by_name", "jobs", ["name", "number"])
    op.create_index(
        "one_unfinished_job_per_name",
        "jobs",
        ["name"],
        unique=True,
        sqlite_where=sa.text("state NOT IN ('succeeded', 'failed', 'cancelled')"),
    )
