"""Actions that can be taken back, and regions that were read.

All new columns may be empty, so both databases add them without touching a row. What is written
here is fixed: journals were made by it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_IDS = ("action", "undoes", "redoes")
_REGION = ("region_x", "region_y", "region_width", "region_height")
_TEXTS = ("outcome", "kind", "model")


def upgrade() -> None:
    """Add the columns, and the indexes that find an author's last action on a slide."""
    for name in _IDS:
        op.add_column("events", sa.Column(name, sa.String(36)))
    for name in _REGION:
        op.add_column("events", sa.Column(name, sa.Float))
    for name in _TEXTS:
        op.add_column("events", sa.Column(name, sa.String))
    _index("actions_by_author", ["slide_id", "author", "seq", "action"], "action IS NOT NULL")
    _index("remarks_by_author", ["slide_id", "author", "seq"], "annotation_id IS NULL")


def _index(name: str, columns: list[str], only: str) -> None:
    rows = sa.text(only)
    op.create_index(name, "events", columns, sqlite_where=rows, postgresql_where=rows)


def downgrade() -> None:
    """Never: a journal is not taken back."""
    raise NotImplementedError("the journal is append-only")
