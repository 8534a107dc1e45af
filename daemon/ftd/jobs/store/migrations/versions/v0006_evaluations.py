"""What the best checkpoints of jobs score, found among their other events."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the index."""
    op.create_index(
        "evaluations", "events", ["job_id", "sequence"], sqlite_where=sa.text("kind = 'evaluated'")
    )
