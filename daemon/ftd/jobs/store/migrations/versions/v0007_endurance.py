"""Retries, preemption and pauses of jobs; how attempts ended."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add the columns. A job that came before is not started again: nobody asked for that."""
    for column in (
        sa.Column("retries", sa.Integer, nullable=False, server_default="0"),
        sa.Column("preemptible", sa.Integer, nullable=False, server_default="0"),
        sa.Column("min_runtime_s", sa.Float, nullable=False, server_default="60"),
        sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
        sa.Column("retry_time", sa.Integer),
        sa.Column("inexact", sa.Text, nullable=False, server_default=""),
    ):
        op.add_column("jobs", column)
    op.add_column("attempts", sa.Column("outcome", sa.Text))
