"""What deleted jobs have had of the machine."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "past_usage",
        sa.Column("user", sa.String, primary_key=True),
        sa.Column("ended", sa.Integer, nullable=False),
        sa.Column("device_seconds", sa.Float, nullable=False),
        sqlite_with_rowid=False,
    )
