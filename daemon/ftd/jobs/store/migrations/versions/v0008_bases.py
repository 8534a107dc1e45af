"""The named recipes that jobs were based on."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add the column. Jobs that came before were based on none."""
    op.add_column("jobs", sa.Column("base", sa.String, nullable=False, server_default=""))
