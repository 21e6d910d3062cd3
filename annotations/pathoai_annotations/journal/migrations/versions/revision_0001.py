"""The first schema: edits of annotations alone, in SQLite's ``user_version`` 1.

What is written here is fixed: journals were made by it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TRIGGERS = {
    "no_update": "BEFORE UPDATE ON events",
    "no_delete": "BEFORE DELETE ON events",
    "no_replace": "BEFORE INSERT ON events WHEN NEW.seq IN (SELECT seq FROM events)",
}


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "events",
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
        *(sa.Column(name, sa.String, nullable=False) for name in ("at", "author", "tool")),
        *(sa.Column(name, sa.String, nullable=False) for name in ("operation", "annotation_id")),
        *(sa.Column(name, sa.String, nullable=False) for name in ("slide_id", "label")),
        sa.Column("geometry", sa.LargeBinary, nullable=False),
        *(sa.Column(name, sa.Float, nullable=False) for name in ("min_x", "min_y")),
        *(sa.Column(name, sa.Float, nullable=False) for name in ("max_x", "max_y")),
        *(sa.Column(name, sa.String, nullable=False) for name in ("origin", "status")),
        sa.Column("confidence", sa.Float),
        sa.Column("derived_from", sa.String),
        sqlite_autoincrement=True,
    )
    op.create_index("events_by_annotation", "events", ["annotation_id", "seq"])
    op.create_index("events_by_slide", "events", ["slide_id", "seq"])
    if op.get_bind().dialect.name == "sqlite":
        for name, when in _TRIGGERS.items():
            op.execute(
                f"CREATE TRIGGER {name} {when} "
                "BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END"
            )
        op.execute("PRAGMA user_version = 1")


def downgrade() -> None:
    """Never: a journal is not taken back."""
    raise NotImplementedError("the journal is append-only")
