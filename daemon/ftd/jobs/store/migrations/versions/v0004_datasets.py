"""The data sets that users have pushed, and which of them each job uses."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the column and the table."""
    op.add_column("jobs", sa.Column("datasets", sa.Text, nullable=False, server_default="[]"))
    op.create_table(
        "datasets",
        sa.Column("user", sa.String, primary_key=True),
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("digest", sa.String, nullable=False),
        sa.Column("files", sa.Integer, nullable=False),
        sa.Column("size_bytes", sa.Integer, nullable=False),
        sa.Column("folders", sa.Text, nullable=False),
        sa.Column("create_time", sa.Integer, nullable=False),
        sqlite_with_rowid=False,
    )
