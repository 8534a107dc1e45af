"""Whose each job is, and the tokens by which users of other machines are known."""

import sqlalchemy as sa
from alembic import op

from ftd.jobs.callers import daemon_owner

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the column and the table."""
    op.add_column("jobs", sa.Column("user", sa.String, nullable=False, server_default=""))
    # Until now there was only the socket, which its owner alone could open.
    op.execute(sa.text("UPDATE jobs SET user = :owner").bindparams(owner=daemon_owner()))
    op.create_index("jobs_by_user", "jobs", ["user", "number"])
    op.create_table(
        "tokens",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("user", sa.String, nullable=False),
        sa.Column("role", sa.String, nullable=False),
        sa.Column("digest", sa.String, nullable=False, unique=True),
        sa.Column("create_time", sa.Integer, nullable=False),
        sa.Column("last_use_time", sa.Integer),
        sa.Column("revoke_time", sa.Integer),
    )
    op.create_index(
        "one_live_token_per_name",
        "tokens",
        ["name"],
        unique=True,
        sqlite_where=sa.text("revoke_time IS NULL"),
    )
